package objstore

import (
	"errors"
	"strconv"
	"strings"
)

// The sentinels callers branch on, with errors.Is.
var (
	ErrNotFound    = errors.New("not found")
	ErrExists      = errors.New("already exists")
	ErrChanged     = errors.New("changed since it was read")
	ErrUnknown     = errors.New("outcome unknown")              // a conditional write may have happened: read
	ErrUnavailable = errors.New("storage unavailable")          // retried in vain
	ErrAccess      = errors.New("access denied")                // credentials, permissions, clock, region, TLS: no retry helps
	ErrNoBucket    = errors.New("bucket does not exist")        //
	ErrUnsupported = errors.New("not supported by the storage") // see Probe
	ErrInvalid     = errors.New("invalid")                      // a key, a location or a configuration
)

// Error is the error of a store operation. Its text names the fix where there is one, and
// never holds a credential: it is made from the server's error code and message, not from
// requests.
type Error struct {
	Op       Op
	Location string // absolute, of the object, or of the bucket or directory
	Kind     error  // one of the sentinels, or nil for anything else
	Hint     string // what a person can do, or empty
	Code     string // the server's error code ("SlowDown"), or empty
	Status   int    // HTTP status, or 0
	Request  string // the server's request id, for its operator
	Attempts int    // requests sent
	Err      error  // the cause, or nil

	throttled bool
}

func (e *Error) Error() string {
	var b strings.Builder
	if e.Op != "" {
		b.WriteString(e.Op.verb())
		b.WriteByte(' ')
	}
	b.WriteString(e.Location)
	sep := ": "
	add := func(s string) {
		if s != "" {
			b.WriteString(sep)
			b.WriteString(s)
		}
	}
	cause := ""
	if e.Err != nil && e.Err != e.Kind { //nolint:errorlint // identity: the text is already there
		cause = e.Err.Error()
	}
	if e.Kind != nil && !strings.HasPrefix(cause, e.Kind.Error()) {
		add(e.Kind.Error())
	}
	var detail []string
	if e.Status != 0 {
		detail = append(detail, strconv.Itoa(e.Status))
	}
	if e.Code != "" {
		detail = append(detail, e.Code)
	}
	if len(detail) > 0 {
		b.WriteString(" (" + strings.Join(detail, " ") + ")")
	}
	if e.Attempts > 1 {
		b.WriteString(" after " + strconv.Itoa(e.Attempts) + " attempts")
	}
	add(cause)
	if e.Hint != "" {
		b.WriteString("; " + e.Hint)
	}
	if e.Request != "" {
		b.WriteString(" [request " + e.Request + "]")
	}
	return b.String()
}

// Unwrap gives both the sentinel and the cause.
func (e *Error) Unwrap() []error {
	var errs []error
	if e.Kind != nil {
		errs = append(errs, e.Kind)
	}
	if e.Err != nil && e.Err != e.Kind { //nolint:errorlint // identity
		errs = append(errs, e.Err)
	}
	return errs
}
