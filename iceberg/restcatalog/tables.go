package restcatalog

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"

	iceberggo "github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"

	"github.com/cdc2lake/cdc2lake/iceberg"
)

func (s *server) listTables(r *http.Request) (*answer, error) {
	ns, err := namespaceOf(r)
	if err != nil {
		return nil, err
	}
	if _, err := s.namespaceProperties(r, ns); err != nil {
		return nil, err
	}
	var all []table.Identifier
	if ok, err := s.cat.SQL().CheckNamespaceExists(r.Context(), ns); err != nil {
		return nil, err
	} else if ok {
		for id, err := range s.cat.SQL().ListTables(r.Context(), ns) {
			if err != nil {
				return nil, err
			}
			all = append(all, id)
		}
	}
	part, next, err := page(r, all)
	if err != nil {
		return nil, err
	}
	ids := make([]identifier, len(part))
	for i, id := range part {
		ids[i] = identifierOf(id)
	}
	return &answer{body: struct {
		Identifiers []identifier `json:"identifiers"`
		Next        *string      `json:"next-page-token,omitempty"`
	}{ids, next}}, nil
}

// tableBody is a version of a table as clients get it.
type tableBody struct {
	Location string            `json:"metadata-location,omitempty"` // empty: not committed yet
	Metadata table.Metadata    `json:"metadata"`
	Config   map[string]string `json:"config"`
}

func loaded(v *iceberg.ServedVersion) *answer {
	return &answer{body: tableBody{v.Location, v.Meta, map[string]string{}}, etag: etag(v.Location)}
}

// etag names a version: metadata files are written once.
func etag(loc string) string {
	sum := sha256.Sum256([]byte(loc))
	return `"` + hex.EncodeToString(sum[:12]) + `"`
}

func (s *server) loadTable(r *http.Request) (*answer, error) {
	id, err := tableOf(r)
	if err != nil {
		return nil, err
	}
	v, err := s.cat.Load(r.Context(), id)
	if err != nil {
		return nil, err
	}
	if r.Header.Get("If-None-Match") == etag(v.Location) {
		return &answer{status: http.StatusNotModified, etag: etag(v.Location)}, nil
	}
	return loaded(v), nil
}

func (s *server) tableExists(r *http.Request) (*answer, error) {
	id, err := tableOf(r)
	if err != nil {
		return nil, err
	}
	_, err = s.cat.Load(r.Context(), id)
	return nil, err
}

func (s *server) createTable(r *http.Request) (*answer, error) {
	ns, err := namespaceOf(r)
	if err != nil {
		return nil, err
	}
	var in struct {
		Name     string                          `json:"name"`
		Location string                          `json:"location"`
		Schema   *iceberggo.Schema               `json:"schema"`
		Spec     *iceberggo.UnboundPartitionSpec `json:"partition-spec"`
		Order    *table.UnboundSortOrder         `json:"write-order"`
		Stage    bool                            `json:"stage-create"`
		Props    iceberggo.Properties            `json:"properties"`
	}
	if err := decode(r, &in); err != nil {
		return nil, err
	}
	id, err := join(ns, in.Name)
	switch {
	case err != nil:
		return nil, err
	case in.Schema == nil:
		return nil, badRequest("the table has no schema")
	}
	if in.Location = strings.TrimRight(in.Location, "/"); in.Location == "" {
		in.Location = s.cat.NewLocation(id)
	}
	var spec *iceberggo.PartitionSpec
	if in.Spec != nil {
		spec = &in.Spec.PartitionSpec
	}
	order := table.UnsortedSortOrder
	if in.Order != nil && in.Order.Len() > 0 {
		order = in.Order.SortOrder
	}
	var meta table.Metadata
	if err := guard(func() error {
		if meta, err = table.NewMetadata(in.Schema, spec, order, in.Location, in.Props); err != nil {
			return badRequest("the table cannot be made: %v", err)
		}
		return nil
	}); err != nil {
		return nil, err
	}
	if err := s.checkLocations(nil, meta); err != nil {
		return nil, err
	}
	if _, err := s.namespaceProperties(r, ns); err != nil {
		return nil, err
	}
	if in.Stage {
		// The client commits it, with the requirement that no such table exists.
		return &answer{body: tableBody{"", meta, map[string]string{}}}, nil
	}
	vs, err := s.cat.Commit(r.Context(), []iceberg.ServedChange{{Ident: id, Next: meta}})
	if err != nil {
		return nil, err
	}
	return loaded(vs[0]), nil
}

func (s *server) dropTable(r *http.Request) (*answer, error) {
	id, err := tableOf(r)
	if err != nil {
		return nil, err
	}
	if purge := r.URL.Query().Get("purgeRequested"); strings.EqualFold(purge, "true") {
		return nil, &apiError{http.StatusNotAcceptable, "UnsupportedOperationException", "this catalog deletes no data: drop the table without purging, then remove its files"}
	}
	return nil, s.cat.SQL().DropTable(r.Context(), id)
}

func (s *server) renameTable(r *http.Request) (*answer, error) {
	var in struct {
		Source      identifier `json:"source"`
		Destination identifier `json:"destination"`
	}
	if err := decode(r, &in); err != nil {
		return nil, err
	}
	from, err := in.Source.ident()
	if err != nil {
		return nil, err
	}
	to, err := in.Destination.ident()
	if err != nil {
		return nil, err
	}
	_, err = s.cat.SQL().RenameTable(r.Context(), from, to)
	return nil, err
}

// reportMetrics takes what clients tell of their scans, and keeps nothing.
func (s *server) reportMetrics(r *http.Request) (*answer, error) {
	if _, err := tableOf(r); err != nil {
		return nil, err
	}
	var discard struct{}
	return nil, decode(r, &discard)
}
