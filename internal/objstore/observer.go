package objstore

import (
	"context"
	"errors"
	"time"
)

// Observer is told about every request, each attempt on its own, so that telemetry can count
// them (requests cost money, and a retried one costs twice). It is called from many
// goroutines and must not block.
type Observer interface {
	ObserveStore(Event)
}

// ObserverFunc is a function that observes.
type ObserverFunc func(Event)

// ObserveStore calls the function.
func (f ObserverFunc) ObserveStore(e Event) { f(e) }

// Event is one finished request.
type Event struct {
	Op       Op
	Scheme   string        // "s3" or "file"
	Bytes    int64         // of content moved, up or down; 0 on failure
	Duration time.Duration // wall time of this attempt
	Attempt  int           // 1 for the first
	Class    Class
}

// Class is the outcome of a request, a small closed set fit for a metric label.
type Class string

// The classes. Throttled is a part of what callers see as ErrUnavailable.
const (
	ClassOK          Class = "ok"
	ClassNotFound    Class = "not_found"
	ClassExists      Class = "exists"
	ClassChanged     Class = "changed"
	ClassAccess      Class = "access"
	ClassNoBucket    Class = "no_bucket"
	ClassThrottled   Class = "throttled"
	ClassUnavailable Class = "unavailable"
	ClassUnknown     Class = "unknown"
	ClassCanceled    Class = "canceled"
	ClassOther       Class = "other"
)

// ClassOf is the class of an error of this package, or of nil.
func ClassOf(err error) Class {
	switch {
	case err == nil:
		return ClassOK
	case errors.Is(err, ErrUnknown): // before the context: a cancelled decision is unknown
		return ClassUnknown
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return ClassCanceled
	case errors.Is(err, ErrNotFound):
		return ClassNotFound
	case errors.Is(err, ErrExists):
		return ClassExists
	case errors.Is(err, ErrChanged):
		return ClassChanged
	case errors.Is(err, ErrAccess):
		return ClassAccess
	case errors.Is(err, ErrNoBucket):
		return ClassNoBucket
	case errors.Is(err, ErrUnavailable):
		var e *Error
		if errors.As(err, &e) && e.throttled {
			return ClassThrottled
		}
		return ClassUnavailable
	}
	return ClassOther
}
