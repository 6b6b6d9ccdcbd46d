// Package metrics has options of billing events.
package metrics

// CollectorOption of a collector.
type CollectorOption struct{}

// WithCollectorNamespace is an option.
func WithCollectorNamespace(string) CollectorOption { return CollectorOption{} }

// WithCollectorBatchDeliveryDurationBuckets is an option.
func WithCollectorBatchDeliveryDurationBuckets([]float64) CollectorOption { return CollectorOption{} }
