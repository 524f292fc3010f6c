package s3

import (
	"os"
	"strings"
	"testing"
)

func TestEveryParameterIsInTheDocument(t *testing.T) {
	b, err := os.ReadFile("../../../docs/bucket.md")
	if err != nil {
		t.Fatal(err)
	}
	for name := range parameters {
		if !strings.Contains(string(b), "| `"+name+"` |") {
			t.Errorf("docs/bucket.md does not explain the parameter %s", name)
		}
	}
	if n := strings.Count(string(b), "\n| `"); n != len(parameters) {
		t.Errorf("docs/bucket.md explains %d parameters of %d", n, len(parameters))
	}
}

// A URL that is printed is one that can be used.
func TestURLsAreReadBackAsTheyArePrinted(t *testing.T) {
	no := false
	for _, b := range []Bucket{
		{Name: "archive"},
		{Name: "archive", Prefix: "a/b c", Endpoint: "https://h:9000", Region: "r", PathStyle: &no, StorageClass: "STANDARD_IA", SSE: "aws:kms", SSEKMSKey: "arn:aws:kms:x", CA: "/etc/ca.pem"},
	} {
		read, err := ParseURL(b.String(), func(string) string { return "" })
		if err != nil || read.String() != b.String() || (read.PathStyle == nil) != (b.PathStyle == nil) {
			t.Errorf("%s is read as %s, %v", b, read, err)
		}
		b.PathStyle, read.PathStyle = nil, nil
		if read != b {
			t.Errorf("%+v is read as %+v", b, read)
		}
	}
}
