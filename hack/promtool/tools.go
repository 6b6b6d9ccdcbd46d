//go:build tools

// Package promtool pins the program that checks and tests the chart's Prometheus rules.
package promtool

import _ "github.com/prometheus/prometheus/cmd/promtool"
