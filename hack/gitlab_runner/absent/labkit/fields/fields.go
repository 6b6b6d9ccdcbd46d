// Package fields has names of fields in the runner's log.
package fields

// Names.
const (
	DurationS      = "duration_s"
	HTTPStatusCode = "http_status_code"
)

// Replacement of a name.
type Replacement struct{ Standard string }

// Deprecated and VariantVersion are empty: every field keeps the name that the runner gives it.
var (
	Deprecated     = map[string]Replacement{}
	VariantVersion = map[string]int{}
)
