package restcatalog

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	iceberggo "github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/catalog"
	"github.com/apache/iceberg-go/table"
)

func (s *server) listNamespaces(r *http.Request) (*answer, error) {
	var parent table.Identifier
	if p := r.URL.Query().Get("parent"); p != "" {
		parent = strings.Split(p, separator)
		if err := checkNamespace(parent); err != nil {
			return nil, err
		}
	}
	all, err := s.cat.SQL().ListNamespaces(r.Context(), nil)
	if err != nil {
		return nil, err
	}
	// A level may exist only as part of others.
	children, known := map[string]table.Identifier{}, len(parent) == 0
	for _, ns := range all {
		if len(ns) < len(parent) || !slices.Equal(ns[:len(parent)], parent) {
			continue
		}
		known = true
		if len(ns) > len(parent) {
			c := slices.Clone(ns[:len(parent)+1])
			children[pageKey(c)] = c
		}
	}
	if !known {
		return nil, fmt.Errorf("%w: %s", catalog.ErrNoSuchNamespace, strings.Join(parent, "."))
	}
	list := make([]table.Identifier, 0, len(children))
	for _, c := range children {
		list = append(list, c)
	}
	part, next, err := page(r, list)
	if err != nil {
		return nil, err
	}
	return &answer{body: struct {
		Namespaces []table.Identifier `json:"namespaces"`
		Next       *string            `json:"next-page-token,omitempty"`
	}{part, next}}, nil
}

type namespaceBody struct {
	Namespace  []string             `json:"namespace"`
	Properties iceberggo.Properties `json:"properties"`
}

func (s *server) createNamespace(r *http.Request) (*answer, error) {
	var in namespaceBody
	if err := decode(r, &in); err != nil {
		return nil, err
	}
	if err := checkNamespace(in.Namespace); err != nil {
		return nil, err
	}
	if err := s.cat.SQL().CreateNamespace(r.Context(), in.Namespace, in.Properties); err != nil {
		return nil, err
	}
	if in.Properties == nil {
		in.Properties = iceberggo.Properties{}
	}
	return &answer{body: in}, nil
}

func (s *server) loadNamespace(r *http.Request) (*answer, error) {
	ns, err := namespaceOf(r)
	if err != nil {
		return nil, err
	}
	props, err := s.namespaceProperties(r, ns)
	if err != nil {
		return nil, err
	}
	return &answer{body: namespaceBody{ns, props}}, nil
}

// namespaceProperties also knows namespaces that exist only as part of others.
func (s *server) namespaceProperties(r *http.Request, ns table.Identifier) (iceberggo.Properties, error) {
	props, err := s.cat.SQL().LoadNamespaceProperties(r.Context(), ns)
	if !errors.Is(err, catalog.ErrNoSuchNamespace) {
		return props, err
	}
	all, lerr := s.cat.SQL().ListNamespaces(r.Context(), nil)
	if lerr != nil {
		return nil, lerr
	}
	if slices.ContainsFunc(all, func(o table.Identifier) bool { return len(o) > len(ns) && slices.Equal(o[:len(ns)], ns) }) {
		return iceberggo.Properties{}, nil
	}
	return nil, err
}

func (s *server) namespaceExists(r *http.Request) (*answer, error) {
	_, err := s.loadNamespace(r)
	return nil, err
}

func (s *server) dropNamespace(r *http.Request) (*answer, error) {
	ns, err := namespaceOf(r)
	if err != nil {
		return nil, err
	}
	return nil, s.cat.SQL().DropNamespace(r.Context(), ns)
}

func (s *server) updateNamespace(r *http.Request) (*answer, error) {
	ns, err := namespaceOf(r)
	if err != nil {
		return nil, err
	}
	var in struct {
		Removals []string             `json:"removals"`
		Updates  iceberggo.Properties `json:"updates"`
	}
	if err := decode(r, &in); err != nil {
		return nil, err
	}
	for _, k := range in.Removals {
		if _, ok := in.Updates[k]; ok {
			return nil, &apiError{http.StatusUnprocessableEntity, "UnprocessableEntityException", "property " + k + " is both updated and removed"}
		}
	}
	sum, err := s.cat.SQL().UpdateNamespaceProperties(r.Context(), ns, in.Removals, in.Updates)
	if err != nil {
		return nil, err
	}
	for _, k := range in.Removals {
		if !slices.Contains(sum.Removed, k) && !slices.Contains(sum.Missing, k) {
			sum.Missing = append(sum.Missing, k)
		}
	}
	for _, l := range []*[]string{&sum.Removed, &sum.Updated, &sum.Missing} {
		if *l == nil {
			*l = []string{}
		}
	}
	return &answer{body: sum}, nil
}
