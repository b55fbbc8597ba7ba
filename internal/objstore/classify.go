package objstore

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// verdict is what an error means.
type verdict struct {
	err      *Error
	retry    bool
	conflict bool          // refused because another conditional write was under way
	after    time.Duration // the server's wish, or 0
}

// maxRetryAfter bounds what a server may make us wait.
const maxRetryAfter = 20 * time.Second

// classify judges the failure of one attempt. sent: the server may have seen the request.
func (c *s3Core) classify(ctx context.Context, r request, err error, sent bool) verdict {
	e := &Error{Op: r.op, Location: r.location, Err: cause(err)}
	v := verdict{err: e}

	var api smithy.APIError
	if errors.As(err, &api) {
		e.Code = api.ErrorCode()
		e.Err = nil
		if m := api.ErrorMessage(); m != "" && m != e.Code {
			e.Err = errors.New(m)
		}
	}
	var resp *smithyhttp.ResponseError
	if errors.As(err, &resp) && resp.Response != nil && resp.Response.Response != nil {
		e.Status = resp.HTTPStatusCode()
		e.Request = resp.Response.Header.Get("X-Amz-Request-Id")
		v.after = retryAfter(resp.Response.Header)
	}

	switch {
	case ctx.Err() != nil:
		// Whatever was reported, it is the caller's doing.
		e.Err, e.Code, e.Status = ctx.Err(), "", 0
	case e.Status != 0 || e.Code != "":
		c.classifyAnswer(&v, r, resp)
	default:
		c.classifyTransport(&v, err)
	}

	// A conditional write counts as not executed only where that is certain: nothing was sent,
	// or the server answered with a refusal (3xx, 4xx, but for 408 and 429, which a proxy may
	// have invented). Everything else, throttling too, could have come from something in front of
	// the server after the server did its work.
	if r.conditional && sent {
		refused := e.Status >= 300 && e.Status < 500 && e.Status != http.StatusRequestTimeout &&
			e.Status != http.StatusTooManyRequests && e.Code != "RequestTimeout"
		if errors.Is(e.Kind, ErrUnsupported) {
			refused = true
		}
		if !refused {
			if e.Err == nil && e.Kind != nil {
				e.Err = e.Kind
			}
			e.Kind, e.Hint = ErrUnknown, ""
			v.retry = false
		}
	}
	return v
}

// classifyAnswer judges what the server said.
func (c *s3Core) classifyAnswer(v *verdict, r request, resp *smithyhttp.ResponseError) {
	e := v.err
	unavailable := func(throttled bool) {
		e.Kind, e.throttled, v.retry = ErrUnavailable, throttled, true
	}
	access := func(hint string) { e.Kind, e.Hint = ErrAccess, hint }

	switch e.Code {
	case "NoSuchBucket":
		e.Kind, e.Hint = ErrNoBucket, "create the bucket, or correct its name in the configuration"
		return
	case "InvalidBucketName":
		e.Kind, e.Hint = ErrNoBucket, "no bucket can have this name: correct it in the configuration"
		return
	case "NoSuchKey", "NoSuchUpload", "NoSuchVersion":
		e.Kind = ErrNotFound
		return
	case "NotFound": // the SDK's word for a 404 without a body: right for HEAD only, see Stat
		if r.op == OpStat {
			e.Kind = ErrNotFound
			return
		}
	case "InvalidAccessKeyId", "XAdminUserNotFound":
		access("the server does not know the access key: check it, and that the endpoint is the one it belongs to")
		return
	case "SignatureDoesNotMatch":
		access("the secret key does not fit the access key (or a proxy changes requests): check the secret key")
		return
	case "ExpiredToken", "InvalidToken", "TokenRefreshRequired", "ExpiredTokenException":
		access("the session token is invalid or has expired: renew the temporary credentials")
		return
	case "RequestTimeTooSkewed", "RequestExpired", "RequestInTheFuture":
		access("this machine's clock and the server's differ" + skew(resp) + ": synchronise them (NTP)")
		return
	case "AccountProblem", "AllAccessDisabled", "NotSignedUp", "InvalidObjectState":
		access("the storage account or object is blocked: see its owner")
		return
	case "PermanentRedirect", "TemporaryRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException":
		access(c.regionHint(resp))
		return
	case "PreconditionFailed":
		precondition(e, r.op)
		return
	case "ConditionalRequestConflict", "OperationAborted":
		// "Another conditional operation was under way; try again": not executed, and it does
		// not say that the object exists.
		e.Kind, v.retry, v.conflict = ErrUnavailable, true, true
		return
	case "SlowDown", "SlowDownRead", "SlowDownWrite", "Throttling", "ThrottlingException", "RequestLimitExceeded",
		"TooManyRequests", "TooManyRequestsException", "ServiceUnavailable", "BandwidthLimitExceeded", "RequestThrottled":
		unavailable(true)
		return
	case "InternalError", "RequestTimeout", "RequestTimeoutException", "IncompleteBody",
		// Damaged on the way: the signed or sent checksum says so.
		"BadDigest", "XAmzContentSHA256Mismatch":
		unavailable(false)
		return
	case "ObjectParentIsFile", "ExistingObjectIsDirectory", "XMinioParentIsObject", "XMinioObjectExistsAsDirectory":
		e.Kind, e.Hint = ErrInvalid, "this server cannot hold an object below another"
		return
	case "NotImplemented":
		e.Kind, e.Hint = ErrUnsupported, "use a server that implements this part of S3"
		return
	case "QuotaExceeded", "XMinioStorageFull", "InsufficientStorage":
		unavailable(false)
		e.Hint = "the storage is full"
		return
	}

	switch s := e.Status; {
	case s == http.StatusNotFound:
		// Not a missing object: S3 says NoSuchKey. A load balancer without a route, versitygw
		// for an unknown user and others answer 404 too, and a commit protocol that is told
		// that a record does not exist acts on it.
		access("this is not S3's answer for a missing object: check the endpoint, and what stands in front of it")
	case s == http.StatusPreconditionFailed:
		precondition(e, r.op)
	case s == http.StatusRequestedRangeNotSatisfiable:
		e.Kind = ErrChanged // the object is shorter than it was said to be
	case s == http.StatusConflict && r.conditional:
		// Servers that name it otherwise.
		e.Kind, v.retry, v.conflict = ErrUnavailable, true, true
	case s == http.StatusUnauthorized, s == http.StatusForbidden:
		access("allow " + permission(r.op) + " to these credentials in the bucket's or the user's policy")
	case s >= 300 && s < 400:
		access(c.regionHint(resp))
	case s == http.StatusTooManyRequests, s == http.StatusServiceUnavailable:
		unavailable(true)
	case s == http.StatusNotImplemented, s == http.StatusMethodNotAllowed:
		e.Kind, e.Hint = ErrUnsupported, "check that the endpoint is an S3 server"
	case s >= 500, s == http.StatusRequestTimeout:
		unavailable(false)
	case s >= 200 && s < 300:
		// Answered, but the answer was lost or not understood.
		unavailable(false)
	}
}

// precondition is a 412: the object exists (If-None-Match), or is not the one expected.
func precondition(e *Error, op Op) {
	e.Err, e.Hint = nil, ""
	if op == OpPutIfAbsent {
		e.Kind = ErrExists
		return
	}
	e.Kind = ErrChanged
}

// classifyTransport judges an attempt without an answer.
func (c *s3Core) classifyTransport(v *verdict, err error) {
	e := v.err
	var (
		creds    *credentialsError
		verify   *tls.CertificateVerificationError
		unknown  x509.UnknownAuthorityError
		hostname x509.HostnameError
		record   tls.RecordHeaderError
		dns      *net.DNSError
		dial     *net.OpError
	)
	switch {
	case errors.As(err, &creds):
		e.Kind, e.Err = ErrAccess, creds.err
		e.Hint = "set access key and secret key, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile, or a role"
	case errors.As(err, &hostname):
		e.Kind, e.Hint = ErrAccess, "the server's certificate is for another name: correct the endpoint"
	case errors.As(err, &unknown), errors.As(err, &verify):
		e.Kind, e.Hint = ErrAccess, "the server's certificate is not trusted: set the CA file to the certificate of its issuer"
	case errors.As(err, &record), strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"):
		e.Kind, e.Hint = ErrAccess, "the server does not speak TLS on this port: use http:// in the endpoint"
	case errors.As(err, &dns):
		e.Kind, v.retry = ErrUnavailable, true
		e.Hint = "the name of the endpoint is unknown: check the endpoint and path style"
	case errors.As(err, &dial) && dial.Op == "dial":
		e.Kind, v.retry = ErrUnavailable, true
		e.Hint = "nothing answers there: check the endpoint " + c.endpointName()
	case isPermanent(err):
		// e.Kind stays: our own errors out of call, such as a size that does not fit.
		e.Kind = kindOf(err)
	default:
		e.Kind, v.retry = ErrUnavailable, true
	}
}

// isPermanent: an error that call made itself, with a kind of ours, or one of the SDK about
// the request (missing parameters, serialisation), which will be the same next time.
func isPermanent(err error) bool {
	var param *smithy.InvalidParamsError
	var ser *smithy.SerializationError
	return kindOf(err) != nil || errors.As(err, &param) || errors.As(err, &ser)
}

func kindOf(err error) error {
	for _, kind := range []error{ErrNotFound, ErrChanged, ErrInvalid, ErrUnsupported} {
		if errors.Is(err, kind) {
			return kind
		}
	}
	return nil
}

func (c *s3Core) endpointName() string {
	if c.endpoint == "" {
		return "(AWS, region " + c.region + ")"
	}
	return c.endpoint
}

func (c *s3Core) regionHint(resp *smithyhttp.ResponseError) string {
	if resp != nil {
		if r := resp.Response.Header.Get("X-Amz-Bucket-Region"); r != "" && r != c.region {
			return "the bucket is in region " + r + ", not " + c.region + ": set the region to " + r
		}
	}
	return "the bucket is elsewhere: set its region (now " + c.region + ") and the endpoint that belongs to it"
}

// skew is by how much our clock is ahead, if the server's answer says.
func skew(resp *smithyhttp.ResponseError) string {
	if resp == nil {
		return ""
	}
	at, err := http.ParseTime(resp.Response.Header.Get("Date"))
	if err != nil {
		return ""
	}
	if d := time.Since(at).Round(time.Second); d < 0 {
		return ", ours is " + (-d).String() + " behind"
	} else if d > 0 {
		return ", ours is " + d.String() + " ahead"
	}
	return ""
}

func retryAfter(h http.Header) time.Duration {
	s, err := strconv.Atoi(h.Get("Retry-After"))
	if err != nil || s <= 0 {
		return 0
	}
	return min(time.Duration(s)*time.Second, maxRetryAfter)
}

// permission names the action that a policy must allow.
func permission(op Op) string {
	switch op {
	case OpGet, OpGetRange, OpStat:
		return "s3:GetObject and s3:ListBucket" // without the latter a missing object is a 403
	case OpList:
		return "s3:ListBucket"
	case OpDelete:
		return "s3:DeleteObject"
	case OpAbortUpload:
		return "s3:AbortMultipartUpload"
	case OpListUploads:
		return "s3:ListBucketMultipartUploads"
	case OpPut, OpPutIfAbsent, OpPutIfMatch, OpCreateUpload, OpUploadPart, OpCompleteUpload:
		return "s3:PutObject"
	}
	return "this operation"
}

// cause is the innermost part of an error that still says what happened: without the SDK's
// layers, and without the URL of the request.
func cause(err error) error {
	var ue *url.Error
	if errors.As(err, &ue) {
		return ue.Err
	}
	var oe *smithy.OperationError
	if errors.As(err, &oe) {
		return oe.Err
	}
	return err
}
