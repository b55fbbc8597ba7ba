package objstore

import (
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Config configures a [Client]. The zero value is AWS with the SDK's default chain (AWS_*
// variables, ~/.aws, web identity, container and instance roles) and our defaults; for
// file:// locations nothing need be set.
type Config struct {
	// Endpoint is the base URL of an S3-compatible server, http://minio:9000 for example;
	// empty: AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, or AWS itself.
	Endpoint string
	// Region is the bucket's; empty: AWS_REGION, the profile's, or us-east-1.
	Region string
	// PathStyle puts the bucket into the path and not into the host name. Nil: yes if there is
	// an Endpoint, since few such servers have wildcard DNS.
	PathStyle *bool

	// AccessKey and SecretKey are static credentials; both empty: CredentialsFile, or the
	// default chain. SessionToken goes with temporary ones.
	AccessKey    string
	SecretKey    Secret
	SessionToken Secret
	// CredentialsFile is a file in the format of ~/.aws/credentials, Profile a section of it
	// or of the default one. A rotated file is read at the next start.
	CredentialsFile string
	Profile         string

	// CAFile holds PEM certificates trusted beside the system's; empty: AWS_CA_BUNDLE.
	CAFile string

	// SignPayload: see the constants.
	SignPayload SignPayload

	// PartSize is the size of an upload's first parts in bytes; 0: 8 MiB, at least 5 MiB.
	PartSize int64
	// PartConcurrency is the number of parts of one upload in flight; 0: 4.
	PartConcurrency int
	// MaxInflight bounds the bytes of all parts in flight; 0: 128 MiB. Beside it every open
	// Writer holds up to one part that is being filled.
	MaxInflight int64
	// MaxConns bounds the connections to a host; 0: 128.
	MaxConns int
	// RetryFor bounds the time an idempotent operation is repeated, 0: 60 s. The context's
	// deadline applies too.
	RetryFor time.Duration

	// NoSync leaves out fsync on file:// locations: for tests, and for machines whose loss is
	// the loss of the data anyhow.
	NoSync bool

	// Observer is told about every request; nil: nobody.
	Observer Observer
	// WrapTransport wraps the HTTP transport, for tests and tracing; nil: as it is.
	WrapTransport func(http.RoundTripper) http.RoundTripper
}

// SignPayload says whether the content of a request is part of its signature. That costs a
// SHA-256 over every uploaded byte (DESIGN.md, section 2: 25 against 100 ns a change).
type SignPayload string

const (
	// SignAuto signs the content on plain HTTP, and not where something else protects it: TLS
	// does, and loopback has no wire. Requests themselves are always signed.
	SignAuto   SignPayload = ""
	SignAlways SignPayload = "always"
	SignNever  SignPayload = "never"
)

const (
	defaultPartSize        = 8 << 20
	minPartSize            = 5 << 20 // S3's limit for all parts but the last
	defaultPartConcurrency = 4
	defaultMaxInflight     = 128 << 20
	defaultMaxConns        = 128
	defaultRetryFor        = 60 * time.Second
	defaultRegion          = "us-east-1"
)

// withDefaults checks a configuration and fills it in.
func (c Config) withDefaults() (Config, error) {
	bad := func(format string, args ...any) (Config, error) {
		return c, fmt.Errorf("object store configuration: %w: "+format, append([]any{ErrInvalid}, args...)...)
	}
	if c.Endpoint != "" {
		u, err := url.Parse(c.Endpoint)
		if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
			// The text of err may quote a password, and is left out.
			return bad("the endpoint is not a URL such as https://host:port")
		}
		if u.User != nil {
			return bad("the endpoint holds credentials: put them into access key and secret key")
		}
	}
	if (c.AccessKey == "") != (c.SecretKey == "") {
		return bad("access key and secret key belong together, one of them is missing")
	}
	if strings.TrimSpace(c.SecretKey.Reveal()) != c.SecretKey.Reveal() || strings.TrimSpace(c.AccessKey) != c.AccessKey {
		return bad("access key or secret key begins or ends with a blank or line break")
	}
	switch c.SignPayload {
	case SignAuto, SignAlways, SignNever:
	default:
		return bad("sign payload is %q, not \"\", \"always\" or \"never\"", string(c.SignPayload))
	}
	if c.PartSize == 0 {
		c.PartSize = defaultPartSize
	}
	if c.PartSize < minPartSize {
		return bad("part size %d is below S3's minimum of %d bytes", c.PartSize, minPartSize)
	}
	if c.PartConcurrency <= 0 {
		c.PartConcurrency = defaultPartConcurrency
	}
	if c.MaxInflight <= 0 {
		c.MaxInflight = defaultMaxInflight
	}
	if c.MaxConns <= 0 {
		c.MaxConns = defaultMaxConns
	}
	if c.RetryFor <= 0 {
		c.RetryFor = defaultRetryFor
	}
	return c, nil
}

// signsPayload decides for the effective endpoint ("" is AWS, which is TLS).
func (c Config) signsPayload(endpoint string) bool {
	switch c.SignPayload {
	case SignAlways:
		return true
	case SignNever:
		return false
	case SignAuto:
	}
	u, err := url.Parse(endpoint)
	if err != nil || u.Scheme != "http" {
		return false
	}
	host := u.Hostname()
	if host == "localhost" {
		return false
	}
	ip := net.ParseIP(host)
	return ip == nil || !ip.IsLoopback()
}
