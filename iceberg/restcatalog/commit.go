package restcatalog

import (
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/apache/iceberg-go/catalog"
	"github.com/apache/iceberg-go/table"
	"github.com/google/uuid"

	"github.com/cdc2lake/cdc2lake/iceberg"
)

// tableChange is a commit of one table as clients send it.
type tableChange struct {
	Identifier   *identifier        `json:"identifier"`
	Requirements table.Requirements `json:"requirements"`
	Updates      table.Updates      `json:"updates"`

	id table.Identifier
}

func (s *server) commitTable(r *http.Request) (*answer, error) {
	id, err := tableOf(r)
	if err != nil {
		return nil, err
	}
	var in tableChange
	if err := decode(r, &in); err != nil {
		return nil, err
	}
	if in.Identifier != nil {
		if other, err := in.Identifier.ident(); err != nil {
			return nil, err
		} else if !slices.Equal(other, id) {
			return nil, badRequest("the request names table %s, its path %s", strings.Join(other, "."), strings.Join(id, "."))
		}
	}
	in.id = id
	vs, err := s.commit(r.Context(), []tableChange{in})
	if err != nil {
		return nil, err
	}
	return &answer{body: struct {
		Location string         `json:"metadata-location"`
		Metadata table.Metadata `json:"metadata"`
	}{vs[0].Location, vs[0].Meta}, etag: etag(vs[0].Location)}, nil
}

func (s *server) commitTransaction(r *http.Request) (*answer, error) {
	var in struct {
		Changes []json.RawMessage `json:"table-changes"`
	}
	if err := decode(r, &in); err != nil {
		return nil, err
	}
	if len(in.Changes) == 0 || len(in.Changes) > maxChanges {
		return nil, badRequest("a transaction changes 1 to %d tables", maxChanges)
	}
	changes := make([]tableChange, len(in.Changes))
	seen := map[string]bool{}
	for i := range changes {
		c := &changes[i]
		err := guard(func() error {
			if err := json.Unmarshal(in.Changes[i], c); err != nil {
				return malformed(err)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		if c.Identifier == nil {
			return nil, badRequest("change %d names no table", i)
		}
		if c.id, err = c.Identifier.ident(); err != nil {
			return nil, err
		}
		if key := pageKey(c.id); seen[key] {
			return nil, badRequest("table %s is changed twice", strings.Join(c.id, "."))
		} else {
			seen[key] = true
		}
	}
	_, err := s.commit(r.Context(), changes)
	return nil, err
}

// maxAttempts bounds how often a commit is tried that others get ahead of. Its requirements held each time.
const maxAttempts = 20

// commit does all of the changes or none.
func (s *server) commit(ctx context.Context, in []tableChange) ([]*iceberg.ServedVersion, error) {
	for attempt := 1; ; attempt++ {
		changes := make([]iceberg.ServedChange, len(in))
		for i, c := range in {
			var err error
			if changes[i], err = s.apply(ctx, c); err != nil {
				return nil, err
			}
		}
		vs, err := s.cat.Commit(ctx, changes)
		switch {
		case err == nil:
			return vs, nil
		case errors.Is(err, catalog.ErrTableAlreadyExists):
			return nil, commitFailed("%v", err) // of a commit, only assert-create can say so
		case !errors.Is(err, table.ErrCommitFailed) || attempt == maxAttempts:
			return nil, err
		}
		select {
		case <-time.After(rand.N(time.Duration(attempt) * 10 * time.Millisecond)):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// apply checks a change's requirements against the table as it is now, and computes what it would be.
func (s *server) apply(ctx context.Context, c tableChange) (iceberg.ServedChange, error) {
	out := iceberg.ServedChange{Ident: c.id}
	base, err := s.cat.Load(ctx, c.id)
	creates := slices.ContainsFunc(c.Requirements, func(q table.Requirement) bool { return q.GetType() == table.AssertCreate().GetType() })
	if errors.Is(err, catalog.ErrNoSuchTable) && creates {
		base, err = nil, nil
	}
	if err != nil {
		return out, err
	}
	var meta table.Metadata // a nil interface where there is no table: that is what requirements look for
	if base != nil {
		meta = base.Meta
	}
	err = guard(func() error {
		for _, q := range c.Requirements {
			if err := q.Validate(meta); err != nil {
				return commitFailed("%s: %v", strings.Join(c.id, "."), err)
			}
		}
		if base == nil {
			out.Next, err = created(c.Updates)
		} else {
			out.Base = base
			out.Next, err = updated(base, c.Updates)
		}
		return err
	})
	if err != nil {
		var e *apiError
		if !errors.As(err, &e) {
			err = badRequest("%s: %v", strings.Join(c.id, "."), err)
		}
		return out, err
	}
	return out, s.checkLocations(meta, out.Next)
}

// updated applies updates to a table.
func updated(base *iceberg.ServedVersion, us table.Updates) (table.Metadata, error) {
	for _, u := range us {
		var err error
		switch u.Action() {
		case table.UpdateAddSnapshot:
			err = checkSequence(base.Meta, u)
		case table.UpdateAssignUUID:
			err = checkUUID(base.Meta, u)
		}
		if err != nil {
			return nil, err
		}
	}
	next, err := table.UpdateTableMetadata(base.Meta, us, base.Location)
	if err != nil {
		return nil, err
	}
	if len(us) == 0 || next.Equals(base.Meta) {
		return base.Meta, nil
	}
	return next, nil
}

// checkSequence tells a snapshot that another one has overtaken from one that is wrong: the client may try again with a new one.
func checkSequence(base table.Metadata, u table.Update) error {
	var w struct {
		Snapshot struct {
			Parent   *int64 `json:"parent-snapshot-id"`
			Sequence int64  `json:"sequence-number"`
			FirstRow *int64 `json:"first-row-id"`
		} `json:"snapshot"`
	}
	b, err := json.Marshal(u)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, &w); err != nil {
		return err
	}
	if s := w.Snapshot; base.Version() >= 2 && s.Parent != nil && s.Sequence <= base.LastSequenceNumber() {
		return commitFailed("the snapshot's sequence number %d is not above the table's, %d", s.Sequence, base.LastSequenceNumber())
	}
	if s := w.Snapshot; base.Version() >= 3 && s.FirstRow != nil && *s.FirstRow < base.NextRowID() {
		return commitFailed("the snapshot's first row id %d is below the table's next, %d", *s.FirstRow, base.NextRowID())
	}
	return nil
}

// checkUUID refuses to give a table another identity.
func checkUUID(base table.Metadata, u table.Update) error {
	var w struct {
		UUID uuid.UUID `json:"uuid"`
	}
	b, err := json.Marshal(u)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, &w); err != nil {
		return err
	}
	if w.UUID != base.TableUUID() {
		return badRequest("the table's uuid cannot be changed")
	}
	return nil
}

// created makes a table out of updates alone.
func created(us table.Updates) (table.Metadata, error) {
	format := table.DefaultFormatVersion
	for _, u := range us {
		if u.Action() != table.UpdateUpgradeFormatVersion {
			continue
		}
		var w struct {
			Version int `json:"format-version"`
		}
		if b, err := json.Marshal(u); err != nil {
			return nil, err
		} else if err := json.Unmarshal(b, &w); err != nil {
			return nil, err
		}
		format = w.Version
	}
	b, err := table.NewMetadataBuilder(format)
	if err != nil {
		return nil, err
	}
	if err := b.SetUUID(uuid.New()); err != nil {
		return nil, err
	}
	// Some clients (DuckDB) say last which schema is current, and specs and orders before it. They all mean the new one.
	ofSchema := func(u table.Update) bool {
		return u.Action() == table.UpdateAddSchema || u.Action() == table.UpdateSetCurrentSchema
	}
	us = slices.Clone(us)
	slices.SortStableFunc(us, func(a, b table.Update) int {
		switch sa, sb := ofSchema(a), ofSchema(b); {
		case sa == sb:
			return 0
		case sa:
			return -1
		}
		return 1
	})
	for _, u := range us {
		if err := u.Apply(b); err != nil {
			return nil, err
		}
	}
	m, err := b.Build()
	if err != nil {
		return nil, err
	}
	if m.Location() == "" {
		return nil, badRequest("the new table has no location")
	}
	return m, nil
}

// checkLocations makes sure that a client cannot make the server write anywhere: what it changes must lie in the warehouse.
func (s *server) checkLocations(old, next table.Metadata) error {
	places := func(m table.Metadata) []string {
		if m == nil {
			return nil
		}
		p := m.Properties()
		return []string{m.Location(), p[table.WriteMetadataPathKey], p[table.WriteDataPathKey]}
	}
	before := places(old)
	for _, l := range places(next) {
		if l != "" && !slices.Contains(before, l) && !s.cat.Within(l) {
			return &apiError{http.StatusBadRequest, "BadRequestException", "location " + l + " lies outside of the warehouse " + s.cat.Warehouse()}
		}
	}
	return nil
}
