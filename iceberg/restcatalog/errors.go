package restcatalog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	iceberggo "github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/catalog"
	"github.com/apache/iceberg-go/table"

	"github.com/cdc2lake/cdc2lake/iceberg"
)

// apiError is an error with the status and type that the protocol's specification gives it.
type apiError struct {
	status int
	typ    string
	msg    string
}

func (e *apiError) Error() string { return e.typ + ": " + e.msg }

func (e *apiError) body() any {
	return map[string]any{"error": map[string]any{"message": e.msg, "type": e.typ, "code": e.status}}
}

func badRequest(format string, args ...any) *apiError {
	return &apiError{http.StatusBadRequest, "BadRequestException", fmt.Sprintf(format, args...)}
}

func commitFailed(format string, args ...any) *apiError {
	return &apiError{http.StatusConflict, "CommitFailedException", fmt.Sprintf(format, args...)}
}

// asAPIError finds the answer to an error. What goes wrong inside is told to the log only: it may name hosts and paths.
func asAPIError(err error) *apiError {
	var e *apiError
	var tooLarge *http.MaxBytesError
	text := err.Error()
	switch {
	case errors.As(err, &e):
		return e
	case errors.As(err, &tooLarge):
		return &apiError{http.StatusRequestEntityTooLarge, "BadRequestException", fmt.Sprintf("the request is larger than %d bytes", tooLarge.Limit)}
	case errors.Is(err, iceberg.ErrCommitUnknown):
		return &apiError{http.StatusInternalServerError, "CommitStateUnknownException", "the commit may or may not have happened: load the table to find out"}
	case errors.Is(err, table.ErrCommitFailed):
		return commitFailed("%s", text)
	case errors.Is(err, catalog.ErrNoSuchTable):
		return &apiError{http.StatusNotFound, "NoSuchTableException", text}
	case errors.Is(err, catalog.ErrNoSuchNamespace):
		return &apiError{http.StatusNotFound, "NoSuchNamespaceException", text}
	case errors.Is(err, catalog.ErrTableAlreadyExists), errors.Is(err, catalog.ErrNamespaceAlreadyExists), errors.Is(err, catalog.ErrViewAlreadyExists):
		return &apiError{http.StatusConflict, "AlreadyExistsException", text}
	case errors.Is(err, catalog.ErrNamespaceNotEmpty):
		return &apiError{http.StatusConflict, "NamespaceNotEmptyException", text}
	case errors.Is(err, iceberggo.ErrInvalidArgument):
		return badRequest("%s", text)
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return &apiError{http.StatusServiceUnavailable, "ServiceUnavailableException", "the request was given up"}
	default:
		return &apiError{http.StatusServiceUnavailable, "ServiceUnavailableException", "the catalog's database or storage failed, nothing was changed; the server's log says more"}
	}
}

// decode reads a request's body into v.
func decode(r *http.Request, v any) error {
	if r.Body == nil || r.Body == http.NoBody {
		return badRequest("%v", errNoBody)
	}
	var raw json.RawMessage
	d := json.NewDecoder(r.Body)
	if err := d.Decode(&raw); err != nil {
		return malformed(err)
	}
	if d.More() {
		return badRequest("something follows the request's JSON")
	}
	return guard(func() error {
		if err := json.Unmarshal(raw, v); err != nil {
			return malformed(err)
		}
		return nil
	})
}

func malformed(err error) error {
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) || errors.Is(err, context.Canceled) {
		return err
	}
	return badRequest("the request cannot be understood: %v", err)
}

// guard runs code of the library on what a client sent. A panic in there is the client's fault.
func guard(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = badRequest("the request cannot be understood: %v", p)
		}
	}()
	return f()
}

func (s *server) write(w http.ResponseWriter, r *http.Request, a *answer) {
	var b []byte
	if a.body != nil {
		var err error
		if b, err = json.Marshal(a.body); err != nil {
			s.log.Error("response cannot be encoded", "path", r.URL.Path, "err", err)
			a.status, b = http.StatusInternalServerError, []byte(`{"error":{"message":"the answer cannot be encoded","type":"InternalServerError","code":500}}`)
		}
		w.Header().Set("Content-Type", "application/json")
	}
	if a.etag != "" {
		w.Header().Set("ETag", a.etag)
	}
	if a.status == 0 {
		a.status = http.StatusOK
	}
	w.WriteHeader(a.status)
	if r.Method != http.MethodHead && a.status != http.StatusNoContent && a.status != http.StatusNotModified {
		w.Write(b) //nolint:errcheck // the client is gone
	}
}
