// Package snowplow sends billing events: this runner is built without it.
package snowplow

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"

	"gitlab.com/gitlab-org/labkit/v2/events/snowplow/metrics"
	"gitlab.com/gitlab-org/labkit/v2/events/snowplow/oidc"
)

var errAbsent = errors.New("this runner is built without billing events")

// SendResult of a batch.
type SendResult struct {
	EventCount, StatusCode int
	Err                    error
}

// SendCallback takes results.
type SendCallback func(successes, failures []SendResult)

// EmitterOption of an Emitter.
type EmitterOption struct{}

// WithCallback is an option.
func WithCallback(SendCallback) EmitterOption { return EmitterOption{} }

// WithTokenSource is an option.
func WithTokenSource(oidc.Source) EmitterOption { return EmitterOption{} }

// WithMetricsCollectorOptions is an option.
func WithMetricsCollectorOptions(...metrics.CollectorOption) EmitterOption { return EmitterOption{} }

// Emitter is never made.
type Emitter struct{}

// NewEmitter refuses.
func NewEmitter(string, ...EmitterOption) (*Emitter, error) { return nil, errAbsent }

// Collector has no metrics.
func (*Emitter) Collector() prometheus.Collector { return prometheus.NewRegistry() }

// Tracker is never made.
type Tracker struct{}

// NewTracker refuses.
func NewTracker(string, *Emitter) (*Tracker, error) { return nil, errAbsent }

// TrackBillingEventWithOptionalInput refuses.
func (*Tracker) TrackBillingEventWithOptionalInput(BillingEventRequiredInput, BillingEventOptionalInput) error {
	return errAbsent
}

// Stop has nothing to stop.
func (*Tracker) Stop() {}

// BillingEventRequiredInput is an event.
type BillingEventRequiredInput struct {
	Category, EventType, Realm, UnitOfMeasure string
	Quantity                                  float64
}

// BillingEventOptionalInput is more of an event.
type BillingEventOptionalInput struct {
	Subject, DeploymentType, InstanceID, UniqueInstanceID string
	ProjectID, NamespaceID, RootNamespaceID               int64
	OrganizationID                                        int64
	Metadata                                              map[string]any
}
