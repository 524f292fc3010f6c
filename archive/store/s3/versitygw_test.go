package s3_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/binlogproxy/binlogproxy/archive/store"
	"github.com/binlogproxy/binlogproxy/archive/store/s3"
	"github.com/binlogproxy/binlogproxy/internal/crc32c"
	"github.com/binlogproxy/binlogproxy/testenv"
)

func open(t *testing.T, raw string, provider credentials.Provider) *s3.Store {
	t.Helper()
	bucket, err := s3.ParseURL(raw, func(string) string { return "" })
	if err != nil {
		t.Fatal(err)
	}
	s, err := s3.Open(bucket, s3.Options{Credentials: provider})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func staticKeys(id, secret string) credentials.Provider {
	return &credentials.Static{Value: credentials.Value{AccessKeyID: id, SecretAccessKey: secret, SignerType: credentials.SignatureV4}}
}

// The server copies the sum of a piece whose bytes have rotted on its disk, so that
// the whole file's sum looks right. Only the copy's ETag tells.
func TestARottenPieceIsNotSealed(t *testing.T) {
	server := testenv.NewS3(t, testenv.S3Options{})
	s := open(t, server.URL("p"), server.Credentials())
	data := []byte("a piece of a binlog")
	piece, err := s.Put(t.Context(), "piece", data, store.PutOptions{})
	if err != nil {
		t.Fatal(err)
	}
	rot(t, server, "p/piece")
	u, err := s.CreateUpload(t.Context(), "file", store.UploadOptions{Sum: true})
	if err != nil {
		t.Fatal(err)
	}
	if part, err := s.CopyPart(t.Context(), u, 1, piece); !errors.Is(err, store.ErrBadSum) {
		t.Errorf("%+v, %v", part, err)
	}
}

// rot changes the first byte of an object on the server's disk.
func rot(t *testing.T, server *testenv.S3, key string) {
	t.Helper()
	file, err := os.OpenFile(filepath.Join(server.BucketDir(), key), os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = file.WriteAt([]byte("A"), 0)
	if err := errors.Join(err, file.Close()); err != nil {
		t.Fatal(err)
	}
}

func TestARottenObjectIsNotReadForAGoodOne(t *testing.T) {
	server := testenv.NewS3(t, testenv.S3Options{})
	s := open(t, server.URL("p"), server.Credentials())
	if _, err := s.Put(t.Context(), "a", []byte("some bytes"), store.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	rot(t, server, "p/a")
	if data, _, err := store.ReadAll(t.Context(), s, "a", 100); !errors.Is(err, store.ErrBadSum) {
		t.Errorf("%q, %v", data, err)
	}
}

// The server answers "200 OK" where the upload is gone and its key exists.
func TestCompletingAnUploadThatIsGoneIsNoSuccess(t *testing.T) {
	server := testenv.NewS3(t, testenv.S3Options{})
	s := open(t, server.URL(""), server.Credentials())
	if _, err := s.Put(t.Context(), "file", []byte("somebody else's"), store.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	u, err := store.StartUpload(t.Context(), s, "file", store.UploadOptions{Sum: true})
	if err != nil {
		t.Fatal(err)
	}
	data := []byte("ours")
	part, err := s.PutPart(t.Context(), u, 1, data)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.AbortUpload(t.Context(), u); err != nil {
		t.Fatal(err)
	}
	opts := store.CompleteOptions{Size: part.Size, CRC32C: crc32c.Of(data), If: store.IfAbsent()}
	if object, err := store.FinishUpload(t.Context(), s, u, []store.Part{part}, opts, store.Policy{Attempts: 1}); err == nil {
		t.Errorf("finished: %+v", object)
	}
}

func TestMistakesOfOperatorsAreNamed(t *testing.T) {
	server := testenv.NewS3(t, testenv.S3Options{})
	noBucket := strings.Replace(server.URL("x"), "s3://archive", "s3://archiv", 1)
	for name, test := range map[string]struct {
		url      string
		provider credentials.Provider
		want     error
	}{
		"wrong bucket": {noBucket, server.Credentials(), store.ErrNoBucket},
		"wrong key":    {server.URL("x"), staticKeys("nobody", "SECRET"), store.ErrCredentials},
		"wrong secret": {server.URL("x"), staticKeys("testenv", "SECRET"), store.ErrCredentials},
		"wrong region": {strings.Replace(server.URL("x"), "us-east-1", "eu-west-1", 1), server.Credentials(), store.ErrWrongRegion},
		"no server":    {"s3://archive/x?endpoint=http://127.0.0.1:1", server.Credentials(), store.ErrTemporary},
	} {
		s := open(t, test.url, test.provider)
		_, putErr := s.Put(t.Context(), "a", nil, store.PutOptions{})
		_, listErr := s.List(t.Context(), "", "", 0)
		_, headErr := s.Head(t.Context(), "a")
		for _, err := range []error{putErr, listErr, headErr} {
			if !errors.Is(err, test.want) || strings.Contains(fmt.Sprint(err), "SECRET") {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

// A server that is down is a failure for the moment, also in the middle of a life.
func TestAServerComesBack(t *testing.T) {
	server := testenv.NewS3(t, testenv.S3Options{})
	s := open(t, server.URL("x"), server.Credentials())
	if _, err := s.Put(t.Context(), "a", []byte("x"), store.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := server.Kill(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Head(t.Context(), "a"); !store.Temporary(err) {
		t.Errorf("%v", err)
	}
	if err := server.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if data, _, err := store.ReadAll(t.Context(), s, "a", 10); err != nil || string(data) != "x" {
		t.Errorf("%q, %v", data, err)
	}
}

// A server that hangs in the middle of a body must not hold its client for ever. The
// transport's own limit only begins when a request has been sent.
func TestAServerThatHangsIsGivenUp(t *testing.T) {
	server := testenv.NewS3(t, testenv.S3Options{})
	bucket, err := s3.ParseURL(server.URL("x"), func(string) string { return "" })
	if err != nil {
		t.Fatal(err)
	}
	s, err := s3.Open(bucket, s3.Options{Credentials: server.Credentials(), Stall: 300 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	data := make([]byte, 32<<20) // more than the buffers of a connection hold
	if _, err := s.Put(t.Context(), "a", data, store.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	body, err := s.Get(t.Context(), "a", store.Range{})
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	if err := server.Pause(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(body); !store.Temporary(err) {
		t.Errorf("reading: %v", err)
	}
	if _, err := s.Put(t.Context(), "b", data, store.PutOptions{}); !store.Temporary(err) {
		t.Errorf("writing: %v", err)
	}
	if _, err := s.Head(t.Context(), "a"); !store.Temporary(err) {
		t.Errorf("asking: %v", err)
	}
}
