package restcatalog

import (
	"cmp"
	"encoding/base64"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/apache/iceberg-go/catalog"
	"github.com/apache/iceberg-go/table"
)

// separator stands between the levels of a namespace in paths and queries, percent-encoded as %1F.
const separator = "\x1f"

// badName says why a name cannot be used, or "".
func badName(s string) string {
	switch {
	case s == "" || s == "." || s == "..":
		return "is empty, . or .."
	case len(s) > maxName:
		return fmt.Sprintf("is longer than %d bytes", maxName)
	case !utf8.ValidString(s):
		return "is not UTF-8"
	case strings.ContainsFunc(s, unicode.IsControl):
		return "holds a control character"
	case strings.ContainsAny(s, `/\`):
		return "holds / or \\"
	}
	return ""
}

// checkNamespace refuses names that cannot exist. The SQL catalog separates levels by dots, so none can hold one.
func checkNamespace(ns []string) error {
	if len(ns) == 0 || len(ns) > maxLevels {
		return badRequest("a namespace has 1 to %d levels", maxLevels)
	}
	for _, part := range ns {
		why := badName(part)
		if why == "" && strings.Contains(part, ".") {
			why = "holds a dot"
		}
		if why != "" {
			return badRequest("level %q of the namespace %s", part, why)
		}
	}
	return nil
}

func namespaceOf(r *http.Request) (table.Identifier, error) {
	ns := strings.Split(r.PathValue("namespace"), separator)
	return ns, checkNamespace(ns)
}

func tableOf(r *http.Request) (table.Identifier, error) {
	ns, err := namespaceOf(r)
	if err != nil {
		return nil, err
	}
	return join(ns, r.PathValue("table"))
}

// join makes a table's identifier.
func join(ns []string, name string) (table.Identifier, error) {
	if err := checkNamespace(ns); err != nil {
		return nil, err
	}
	if why := badName(name); why != "" {
		return nil, badRequest("the table's name %q %s", name, why)
	}
	return append(slices.Clone(ns), name), nil
}

// identifier is a table's name as JSON.
type identifier struct {
	Namespace []string `json:"namespace"`
	Name      string   `json:"name"`
}

func (i identifier) ident() (table.Identifier, error) { return join(i.Namespace, i.Name) }

func identifierOf(id table.Identifier) identifier {
	return identifier{catalog.NamespaceFromIdent(id), catalog.TableNameFromIdent(id)}
}

// page cuts a sorted list. A client that does not know of pages (no pageToken) gets everything; a token names the last
// entry of the page before, so that entries that come and go meanwhile make no hole.
func page(r *http.Request, all []table.Identifier) (part []table.Identifier, next *string, err error) {
	slices.SortFunc(all, func(a, b table.Identifier) int { return cmp.Compare(pageKey(a), pageKey(b)) })
	q := r.URL.Query()
	if !q.Has("pageToken") && !q.Has("pageSize") {
		return all, nil, nil
	}
	size := maxPage
	if v := q.Get("pageSize"); v != "" {
		n, err := strconv.ParseInt(v, 10, 64)
		if err != nil && strings.Trim(v, "0123456789") != "" || n < 1 {
			return nil, nil, badRequest("pageSize %q is not a number from 1 on", v)
		}
		size = int(min(n, maxPage)) // ParseInt answers the largest number to one that is larger
	}
	if t := q.Get("pageToken"); t != "" {
		last, err := base64.RawURLEncoding.DecodeString(t)
		if err != nil {
			return nil, nil, badRequest("the pageToken is not one of this catalog")
		}
		i, found := slices.BinarySearchFunc(all, string(last), func(id table.Identifier, k string) int { return cmp.Compare(pageKey(id), k) })
		if found {
			i++
		}
		all = all[i:]
	}
	if len(all) <= size {
		return all, nil, nil
	}
	token := base64.RawURLEncoding.EncodeToString([]byte(pageKey(all[size-1])))
	return all[:size], &token, nil
}

func pageKey(id table.Identifier) string { return strings.Join(id, separator) }
