package s3_test

import (
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/binlogproxy/binlogproxy/archive/store"
)

// answers is a server that gives each request the same answer.
func answers(t *testing.T, status int, code string) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(status)
		if r.Method != http.MethodHead && code != "" {
			fmt.Fprintf(w, "<Error><Code>%s</Code><Message>says the store</Message><RequestId>R1</RequestId></Error>", code)
		}
	}))
	t.Cleanup(server.Close)
	return server
}

// What services answer, and versitygw does not. Codes are those of Amazon's list of
// error responses.
func TestAnswersHaveTheirMeaning(t *testing.T) {
	for _, test := range []struct {
		status int
		code   string
		want   error
	}{
		{404, "NoSuchKey", store.ErrNotFound},
		{404, "NoSuchBucket", store.ErrNoBucket},
		{412, "PreconditionFailed", store.ErrCondition},
		{409, "ConditionalRequestConflict", store.ErrCondition},
		{403, "AccessDenied", store.ErrDenied},
		{403, "InvalidAccessKeyId", store.ErrCredentials},
		{400, "ExpiredToken", store.ErrCredentials},
		{403, "RequestTimeTooSkewed", store.ErrClockSkew},
		{301, "PermanentRedirect", store.ErrWrongRegion},
		{400, "AuthorizationHeaderMalformed", store.ErrWrongRegion},
		{503, "SlowDown", store.ErrTemporary},
		{500, "InternalError", store.ErrTemporary},
		{429, "", store.ErrTemporary},
		{408, "", store.ErrTemporary},
		{502, "", store.ErrTemporary},
		{400, "RequestTimeout", store.ErrTemporary},
		{400, "BadDigest", store.ErrBadSum},
	} {
		s := open(t, "s3://archive/p?endpoint="+answers(t, test.status, test.code).URL, staticKeys("id", "SECRET"))
		_, putErr := s.Put(t.Context(), "a", []byte("x"), store.PutOptions{})
		_, getErr := s.Get(t.Context(), "a", store.Range{})
		_, listErr := s.List(t.Context(), "a", "", 0)
		for _, err := range []error{putErr, getErr, listErr} {
			if !errors.Is(err, test.want) || store.Temporary(err) != (test.want == store.ErrTemporary) {
				t.Errorf("%d %s: %v", test.status, test.code, err)
			}
			if test.code != "" && !strings.Contains(fmt.Sprint(err), test.code) || strings.Contains(fmt.Sprint(err), "SECRET") {
				t.Errorf("%d %s: the message is %v", test.status, test.code, err)
			}
		}
	}
	gone := open(t, "s3://archive/p?endpoint="+answers(t, 404, "NoSuchKey").URL, staticKeys("id", "SECRET"))
	if _, err := gone.Put(t.Context(), "a", nil, store.PutOptions{If: store.IfMatch("x")}); !errors.Is(err, store.ErrCondition) {
		t.Errorf("If-Match on a key that is gone: %v", err)
	}
	busy := open(t, "s3://archive/p?endpoint="+answers(t, 409, "OperationAborted").URL, staticKeys("id", "SECRET"))
	if _, err := busy.Put(t.Context(), "a", nil, store.PutOptions{If: store.IfAbsent()}); !errors.Is(err, store.ErrCondition) {
		t.Errorf("a conflict of conditional writes: %v", err)
	}
}

// An answer to HEAD has no body to say why, so it is asked for by GET.
func TestARefusedHeadSaysWhy(t *testing.T) {
	for code, want := range map[string]error{"NoSuchBucket": store.ErrNoBucket, "ExpiredToken": store.ErrCredentials, "RequestTimeTooSkewed": store.ErrClockSkew, "AccessDenied": store.ErrDenied} {
		s := open(t, "s3://archive/p?endpoint="+answers(t, 403, code).URL, staticKeys("id", "SECRET"))
		if _, err := s.Head(t.Context(), "a"); !errors.Is(err, want) {
			t.Errorf("%s: %v", code, err)
		}
	}
}

// rotating hands out other credentials each time it is asked.
type rotating struct{ asked atomic.Int32 }

func (r *rotating) Retrieve() (credentials.Value, error) { return r.RetrieveWithCredContext(nil) }
func (r *rotating) RetrieveWithCredContext(*credentials.CredContext) (credentials.Value, error) {
	id := fmt.Sprintf("id-%d", r.asked.Add(1))
	return credentials.Value{AccessKeyID: id, SecretAccessKey: "s", SignerType: credentials.SignatureV4}, nil
}
func (r *rotating) IsExpired() bool { return false }

func TestCredentialsThatTheStoreRefusesAreLookedForAgain(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.Header.Get("Authorization"), "Credential=id-1/") {
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprint(w, "<Error><Code>ExpiredToken</Code></Error>")
			return
		}
		w.Header().Set("ETag", `"e"`)
	}))
	defer server.Close()
	s := open(t, "s3://archive/p?endpoint="+server.URL, new(rotating))
	if _, err := s.Put(t.Context(), "a", nil, store.PutOptions{}); !errors.Is(err, store.ErrCredentials) {
		t.Errorf("%v", err)
	}
	if _, err := s.Put(t.Context(), "a", nil, store.PutOptions{}); err != nil {
		t.Errorf("with new credentials: %v", err)
	}
}

func TestTheEndpointsCertificateIsVerified(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.Header().Set("ETag", `"e"`) }))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(ca, text, 0o600); err != nil {
		t.Fatal(err)
	}
	url := "s3://archive/p?endpoint=" + server.URL
	if _, err := open(t, url, staticKeys("id", "s")).Put(t.Context(), "a", nil, store.PutOptions{}); err == nil || store.Temporary(err) {
		t.Errorf("a certificate of nobody: %v", err)
	}
	if _, err := open(t, url+"&ca="+ca, staticKeys("id", "s")).Put(t.Context(), "a", nil, store.PutOptions{}); err != nil {
		t.Error(err)
	}
}

// A body that ends early must not look like a short object.
func TestAShortBodyIsAnError(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"e"`)
		w.Header().Set("Last-Modified", "Mon, 02 Jan 2006 15:04:05 GMT")
		w.Header().Set("Content-Length", "1000")
		fmt.Fprint(w, "only this")
	}))
	defer server.Close()
	s := open(t, "s3://archive/p?endpoint="+server.URL, staticKeys("id", "s"))
	if data, _, err := store.ReadAll(t.Context(), s, "a", 10000); !store.Temporary(err) {
		t.Errorf("%q, %v", data, err)
	}
}
