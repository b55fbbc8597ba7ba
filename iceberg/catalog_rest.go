package iceberg

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"time"

	iceberggo "github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/catalog"
	restcat "github.com/apache/iceberg-go/catalog/rest"
	"github.com/apache/iceberg-go/table"
)

// restCatalog is a client of a REST catalog.
//
// A REST server compares no metadata version. The requirements assert what a commit was decided on: the table's UUID, main's
// snapshot, schema, last field id and spec. A rollback could make these true again (ABA); what excludes it is the sequence number
// of the snapshot being added, which is one more than the last that we read: a server refuses a sequence number that is not above
// the last one, and a rollback does not lower that.
type restCatalog struct {
	cat       *restcat.Catalog
	multi     bool
	transport *http.Transport
}

func openRESTCatalog(ctx context.Context, c CatalogConfig, fs *storage) (*restCatalog, error) {
	u, err := url.Parse(c.URI)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, configError("the uri of a REST catalog must be a URL such as https://host/catalog")
	}
	props := iceberggo.Properties{}
	maps.Copy(props, c.Properties)
	props[ioProperty] = fs.id
	tr := http.DefaultTransport.(*http.Transport).Clone()
	tr.MaxIdleConnsPerHost = 16
	tr.ResponseHeaderTimeout = 2 * time.Minute
	opts := []restcat.Option{restcat.WithAdditionalProps(props), restcat.WithCustomTransport(tr)}
	if c.Warehouse != "" {
		opts = append(opts, restcat.WithWarehouseLocation(c.Warehouse))
	}
	if c.Token != "" {
		opts = append(opts, restcat.WithOAuthToken(c.Token))
	}
	if c.Credential != "" {
		opts = append(opts, restcat.WithCredential(c.Credential))
	}
	// Our own credentials reach the objects; vended ones would go past the one S3 client.
	opts = append(opts, restcat.WithHeaders(map[string]string{"X-Iceberg-Access-Delegation": ""}))
	cat, err := restcat.NewCatalog(ctx, c.Name, c.URI, opts...)
	if err != nil {
		tr.CloseIdleConnections()
		return nil, restError("connect to the REST catalog", err)
	}
	r := &restCatalog{cat: cat, transport: tr}
	r.multi = r.offersTransactions(ctx)
	return r, nil
}

// offersTransactions asks with an empty transaction: the client refuses by itself where the server's configuration lacks the
// endpoint, before it looks at the rest.
func (c *restCatalog) offersTransactions(ctx context.Context) bool {
	err := c.cat.CommitTransaction(ctx, []table.TableCommit{{}})
	return !errors.Is(err, restcat.ErrEndpointNotSupported)
}

func restError(what string, err error) error {
	switch {
	case errors.Is(err, restcat.ErrUnauthorized), errors.Is(err, restcat.ErrForbidden), errors.Is(err, restcat.ErrOAuthError):
		return cdcErrorf(CodeCatalogAccess, "%s: %w", what, err)
	default:
		return catalogError("%s: %w", what, err)
	}
}

func (c *restCatalog) locate(context.Context, []table.Identifier) (map[string]string, error) {
	return nil, nil
}

func (c *restCatalog) load(ctx context.Context, ident table.Identifier, _ *metaVersion, _ string) (*metaVersion, error) {
	t, err := c.cat.LoadTable(ctx, ident)
	switch {
	case errors.Is(err, catalog.ErrNoSuchTable), errors.Is(err, catalog.ErrNoSuchNamespace):
		return nil, fmt.Errorf("%w: %s", errNoTable, identString(ident))
	case err != nil:
		return nil, restError("load "+identString(ident), err)
	}
	return &metaVersion{ident: ident, location: t.MetadataLocation(), meta: t.Metadata()}, nil
}

func (c *restCatalog) create(ctx context.Context, ident table.Identifier, n newTable) (*metaVersion, error) {
	if err := c.cat.CreateNamespace(ctx, ident[:len(ident)-1], nil); err != nil && !errors.Is(err, catalog.ErrNamespaceAlreadyExists) {
		if ok, e := c.cat.CheckNamespaceExists(ctx, ident[:len(ident)-1]); e != nil || !ok {
			return nil, restError("create the namespace of "+identString(ident), err)
		}
	}
	opts := []catalog.CreateTableOpt{catalog.WithPartitionSpec(n.spec), catalog.WithProperties(n.props)}
	if n.location != "" {
		opts = append(opts, catalog.WithLocation(n.location))
	}
	t, err := c.cat.CreateTable(ctx, ident, n.schema, opts...)
	switch {
	case errors.Is(err, catalog.ErrTableAlreadyExists):
		return nil, fmt.Errorf("%w: %s", errTableExists, identString(ident))
	case err != nil:
		return nil, restError("create "+identString(ident), err)
	}
	return &metaVersion{ident: ident, location: t.MetadataLocation(), meta: t.Metadata()}, nil
}

// requirements are what a commit on this version asserts.
func (v *metaVersion) requirements() []table.Requirement {
	m := v.meta
	return []table.Requirement{
		table.AssertTableUUID(m.TableUUID()),
		table.AssertRefSnapshotID(table.MainBranch, headOf(m)),
		table.AssertCurrentSchemaID(m.CurrentSchema().ID),
		table.AssertLastAssignedFieldID(m.LastColumnID()),
		table.AssertDefaultSpecID(m.DefaultPartitionSpec()),
	}
}

func (c *restCatalog) commit(ctx context.Context, ch change) (*metaVersion, error) {
	m, loc, err := c.cat.CommitTable(ctx, ch.base.ident, ch.base.requirements(), ch.updates)
	if err != nil {
		return nil, commitError(identString(ch.base.ident), err)
	}
	return &metaVersion{ident: ch.base.ident, location: loc, meta: m}, nil
}

func (c *restCatalog) commitAll(ctx context.Context, cs []change) ([]*metaVersion, error) {
	commits := make([]table.TableCommit, len(cs))
	out := make([]*metaVersion, len(cs))
	var names []string
	for i, ch := range cs {
		// The answer has no body. What the server has now is what the updates make of what it had: main, sequence numbers and
		// ids are asserted. Only the location of the metadata file is not known, and not needed.
		m, err := applyUpdates(ch)
		if err != nil {
			return nil, err
		}
		out[i] = &metaVersion{ident: ch.base.ident, meta: m}
		commits[i] = table.TableCommit{Identifier: ch.base.ident, Requirements: ch.base.requirements(), Updates: ch.updates}
		names = append(names, identString(ch.base.ident))
	}
	if err := c.cat.CommitTransaction(ctx, commits); err != nil {
		return nil, commitError(strings.Join(names, ", "), err)
	}
	return out, nil
}

// commitError tells a refusal from an unknown outcome.
func commitError(what string, err error) error {
	switch {
	case errors.Is(err, table.ErrCommitFailed):
		return fmt.Errorf("%w: %s: %w", errConflict, what, err)
	case errors.Is(err, catalog.ErrNoSuchTable):
		return fmt.Errorf("%w: %s is gone", errConflict, what)
	case errors.Is(err, restcat.ErrUnauthorized), errors.Is(err, restcat.ErrForbidden), errors.Is(err, restcat.ErrOAuthError):
		return restError("commit "+what, err)
	default:
		// Also a 400: a stale sequence number comes back as one. Reading the table again tells.
		return fmt.Errorf("%w: commit %s: %w", errUnknown, what, err)
	}
}

func (c *restCatalog) atomic() bool        { return c.multi }
func (c *restCatalog) trimsMetadata() bool { return false } // the server's business

func (c *restCatalog) close() error {
	err := c.cat.Close()
	c.transport.CloseIdleConnections()
	return err
}
