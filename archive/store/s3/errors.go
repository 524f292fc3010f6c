package s3

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/minio/minio-go/v7"

	"github.com/binlogproxy/binlogproxy/archive/store"
)

// kinds of the error codes of S3.
var kinds = map[string]error{
	"NoSuchKey":                          store.ErrNotFound,
	"NoSuchBucket":                       store.ErrNoBucket,
	"InvalidBucketName":                  store.ErrNoBucket,
	"NoSuchUpload":                       store.ErrNoUpload,
	"PreconditionFailed":                 store.ErrCondition,
	"ConditionalRequestConflict":         store.ErrCondition,
	"InvalidRange":                       store.ErrRange,
	"BadDigest":                          store.ErrBadSum,
	"InvalidDigest":                      store.ErrBadSum,
	"XAmzContentChecksumMismatch":        store.ErrBadSum,
	"AccessDenied":                       store.ErrDenied,
	"AllAccessDisabled":                  store.ErrDenied,
	"AccountProblem":                     store.ErrDenied,
	"InvalidAccessKeyId":                 store.ErrCredentials,
	"SignatureDoesNotMatch":              store.ErrCredentials,
	"ExpiredToken":                       store.ErrCredentials,
	"ExpiredTokenException":              store.ErrCredentials,
	"InvalidToken":                       store.ErrCredentials,
	"TokenRefreshRequired":               store.ErrCredentials,
	"InvalidSecurity":                    store.ErrCredentials,
	"XAdminUserNotFound":                 store.ErrCredentials, // versitygw, with 404
	"NotSignedUp":                        store.ErrCredentials,
	"RequestTimeTooSkewed":               store.ErrClockSkew,
	"RequestExpired":                     store.ErrClockSkew,
	"PermanentRedirect":                  store.ErrWrongRegion,
	"TemporaryRedirect":                  store.ErrWrongRegion,
	"AuthorizationHeaderMalformed":       store.ErrWrongRegion,
	"InvalidRegion":                      store.ErrWrongRegion,
	"IllegalLocationConstraintException": store.ErrWrongRegion,
	"RequestTimeout":                     store.ErrTemporary,
	"SlowDown":                           store.ErrTemporary,
	"SlowDownRead":                       store.ErrTemporary,
	"SlowDownWrite":                      store.ErrTemporary,
	"Throttling":                         store.ErrTemporary,
	"InternalError":                      store.ErrTemporary,
	"OperationAborted":                   store.ErrTemporary,
}

// explain names operation, key and kind in what minio-go returned. Where the caller has
// ended the call there is no kind; the transport's own time limits say that they are
// context.DeadlineExceeded too, so that err does not tell. Credentials that
// the store does not know (any more) are looked for again with the next call.
func (s *Store) explain(ctx context.Context, op, key string, err error) error {
	if err == nil {
		return nil
	}
	var known *store.Error
	if errors.As(err, &known) {
		return err
	}
	if ctx.Err() != nil {
		return &store.Error{Op: op, Key: key, Cause: fmt.Errorf("%w (%v)", ctx.Err(), cause(err))}
	}
	e := &store.Error{Op: op, Key: key, Kind: kind(err), Cause: cause(err)}
	if errors.Is(e, store.ErrCredentials) {
		s.credentials.Expire()
	}
	return e
}

// explainWrite is explain for a write with a condition.
func (s *Store) explainWrite(ctx context.Context, op, key string, cond store.Condition, err error) error {
	response := minio.ToErrorResponse(err)
	if !cond.None() && (response.Code == "NoSuchKey" || response.StatusCode == http.StatusConflict) {
		// The object that the condition names is gone, or another write is under way.
		return &store.Error{Op: op, Key: key, Kind: store.ErrCondition, Cause: cause(err)}
	}
	return s.explain(ctx, op, key, err)
}

func kind(err error) error {
	var response minio.ErrorResponse
	var invalid *tls.CertificateVerificationError
	var unknown x509.UnknownAuthorityError
	switch {
	case errors.Is(err, errNoCredentials):
		return store.ErrCredentials
	case errors.As(err, &response):
		return kindOf(response)
	case errors.As(err, &invalid), errors.As(err, &unknown):
		return nil
	}
	return store.ErrTemporary // the network, or an answer that ended early
}

func kindOf(response minio.ErrorResponse) error {
	if kind, ok := kinds[response.Code]; ok {
		return kind
	}
	switch status := response.StatusCode; {
	case status == http.StatusRequestTimeout, status == http.StatusConflict, status == http.StatusTooManyRequests, status >= 500:
		return store.ErrTemporary
	case status == http.StatusPreconditionFailed:
		return store.ErrCondition
	case status == http.StatusRequestedRangeNotSatisfiable:
		return store.ErrRange
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return store.ErrDenied
	case status >= 300 && status < 400:
		return store.ErrWrongRegion
	}
	return nil
}

// cause is what the store said, in one line.
func cause(err error) error {
	var response minio.ErrorResponse
	if !errors.As(err, &response) {
		return err
	}
	text := fmt.Sprintf("%d %s: %s", response.StatusCode, response.Code, response.Error())
	if response.Region != "" {
		text += ", region " + response.Region
	}
	if response.RequestID != "" {
		text += ", request " + response.RequestID
	}
	return errors.New(text)
}

// body is an answer's body, whose errors are explained.
type body struct {
	io.ReadCloser
	ctx context.Context // of Get, which ends the reading too
	s   *Store
	key string
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != io.EOF {
		err = b.s.explain(b.ctx, "get", b.key, err)
	}
	return n, err
}
