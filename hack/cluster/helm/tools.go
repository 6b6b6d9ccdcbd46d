//go:build tools

// Package helm pins the helm that demo and tests install the chart with.
package helm

import _ "helm.sh/helm/v3/cmd/helm"
