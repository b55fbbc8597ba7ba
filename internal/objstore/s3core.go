package objstore

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// s3Core is what all S3 Stores of a Client share.
type s3Core struct {
	cfg       Config
	api       *s3.Client
	direct    *direct
	buckets   sync.Map // name → *bucketURL
	transport *http.Transport
	inflight  *inflight
	endpoint  string // for hints; empty is AWS
	region    string
}

func newS3Core(ctx context.Context, cfg Config) (*s3Core, error) {
	awsCfg, err := loadAWSConfig(ctx, cfg)
	if err != nil {
		return nil, err
	}
	transport, err := newTransport(cfg)
	if err != nil {
		return nil, err
	}
	var rt http.RoundTripper = transport
	if cfg.WrapTransport != nil {
		rt = cfg.WrapTransport(rt)
	}
	c := &s3Core{cfg: cfg, transport: transport, inflight: newInflight(cfg.MaxInflight)}
	c.api = s3.NewFromConfig(awsCfg, func(o *s3.Options) {
		o.HTTPClient = &http.Client{
			Transport: rt,
			// A redirect means another region or endpoint; following it would send the
			// request with a signature for this one. It becomes an error that says so.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}
		// Retries are ours (retry.go): the SDK's would repeat conditional writes.
		o.Retryer = aws.NopRetryer{}
		if cfg.Endpoint != "" {
			o.BaseEndpoint = aws.String(cfg.Endpoint)
		}
		if o.BaseEndpoint != nil {
			c.endpoint = *o.BaseEndpoint
		}
		if cfg.PathStyle != nil {
			o.UsePathStyle = *cfg.PathStyle
		} else {
			o.UsePathStyle = c.endpoint != ""
		}
		c.region = o.Region
		// The SDK by default adds a CRC32 trailer to every upload and checks one on every
		// download: a second pass over the bytes, aws-chunked bodies that several
		// S3-compatible servers refuse, and nothing gained, since TLS (or the signed SHA-256
		// on plain HTTP, see SignAuto) already detects a changed byte on the way. Where the
		// protocol requires a checksum (DeleteObjects) it is still sent.
		o.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired
		o.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenRequired
		o.DisableLogOutputChecksumValidationSkipped = true
		// No "Expect: 100-continue": it costs every part a round trip to spare an upload
		// that is going to be refused, which hardly ever happens.
		o.ContinueHeaderThresholdBytes = -1
		if !cfg.signsPayload(c.endpoint) {
			o.APIOptions = append(o.APIOptions, v4.SwapComputePayloadSHA256ForUnsignedPayloadMiddleware)
		}
		o.Credentials = credentialsWithKind{o.Credentials}
	})
	c.direct = newDirect(c.api.Options(), cfg.signsPayload(c.endpoint))
	return c, nil
}

func loadAWSConfig(ctx context.Context, cfg Config) (aws.Config, error) {
	var opts []func(*awsconfig.LoadOptions) error
	if cfg.Region != "" {
		opts = append(opts, awsconfig.WithRegion(cfg.Region))
	}
	if cfg.Profile != "" {
		opts = append(opts, awsconfig.WithSharedConfigProfile(cfg.Profile))
	}
	if cfg.CredentialsFile != "" {
		if _, err := os.Stat(cfg.CredentialsFile); err != nil {
			return aws.Config{}, fmt.Errorf("credentials file: %w: %w", ErrAccess, err)
		}
		opts = append(opts, awsconfig.WithSharedCredentialsFiles([]string{cfg.CredentialsFile}))
	}
	if cfg.AccessKey != "" {
		opts = append(opts, awsconfig.WithCredentialsProvider(
			credentials.NewStaticCredentialsProvider(cfg.AccessKey, cfg.SecretKey.Reveal(), cfg.SessionToken.Reveal())))
	}
	awsCfg, err := awsconfig.LoadDefaultConfig(ctx, opts...)
	if err != nil {
		return aws.Config{}, fmt.Errorf("load AWS configuration: %w: %w", ErrAccess, err)
	}
	if awsCfg.Region == "" {
		awsCfg.Region = defaultRegion
	}
	return awsCfg, nil
}

// credentialsError marks a failure to obtain credentials: nothing was sent.
type credentialsError struct{ err error }

func (e *credentialsError) Error() string { return e.err.Error() }
func (e *credentialsError) Unwrap() error { return e.err }

// credentialsWithKind marks the errors of a provider.
type credentialsWithKind struct{ aws.CredentialsProvider }

func (p credentialsWithKind) Retrieve(ctx context.Context) (aws.Credentials, error) {
	c, err := p.CredentialsProvider.Retrieve(ctx)
	if err != nil {
		return c, &credentialsError{err}
	}
	return c, nil
}

// observe reports one request.
func (c *s3Core) observe(op Op, start time.Time, attempt int, n int64, class Class) {
	if c.cfg.Observer == nil {
		return
	}
	if class != ClassOK {
		n = 0
	}
	c.cfg.Observer.ObserveStore(Event{Op: op, Scheme: "s3", Bytes: n, Duration: time.Since(start), Attempt: attempt, Class: class})
}
