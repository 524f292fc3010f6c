package open

import (
	"strings"
	"testing"
)

func TestURLsSayWhichStore(t *testing.T) {
	env := func(name string) string {
		return map[string]string{"AWS_REGION": "eu-north-1", "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9000"}[name]
	}
	root := t.TempDir()
	for raw, want := range map[string]string{
		"file://" + root:                       "file://" + root,
		"s3://archive/a/b/?region=eu-west-1":   "s3://archive/a/b?endpoint=http%3A%2F%2F127.0.0.1%3A9000&region=eu-west-1",
		"s3://archive?endpoint=https://x:9000": "s3://archive/?endpoint=https%3A%2F%2Fx%3A9000&region=eu-north-1",
	} {
		s, err := URL(raw, env)
		if err != nil {
			t.Fatal(err)
		}
		if s.String() != want {
			t.Errorf("%s: %s", raw, s)
		}
		if err := Check(raw, env); err != nil {
			t.Error(err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

// A URL that is refused may hold a secret, so no error repeats it.
func TestWrongURLsAreRefusedInWordsWithoutSecrets(t *testing.T) {
	for raw, want := range map[string]string{
		"http://archive":             "s3://bucket/prefix",
		"archive":                    "s3://bucket/prefix",
		"s3://AKIA:SECRET@archive/x": "put credentials where",
		"s3://archive/x?endpoint=https://u:SECRET@h":               "the endpoint must be",
		"s3://archive/x?endpont=https://h":                         `did you mean "endpoint"?`,
		"s3://archive/x?region=a&region=b":                         "must have one value",
		"s3://archive/x?region=":                                   "must have one value",
		"s3://archive/x?path-style=yes":                            "true or false",
		"s3://archive/x?sse=SECRET-no":                             "AES256 or aws:kms",
		"s3://archive/x?sse-kms-key=k":                             "needs sse=aws:kms",
		"s3://archive/a//b":                                        "no key",
		"s3:///x":                                                  "bucket's name",
		"s3://archive:9000/x":                                      "bucket's name",
		"s3://archive/%zz?secret=SECRET":                           "s3://bucket/prefix",
		"file://host/SECRET":                                       "file:///dir",
		"file:///dir?SECRET=1":                                     "file:///dir",
		"s3://archive/x?ca=/no/such&endpont=1&endpoint=ftp://h":    "the endpoint must be",
		"s3://archive/x?access-key=k&secret-key=w&path-style=true": `unknown parameter "secret-key"`,
	} {
		err := Check(raw, func(string) string { return "" })
		if err == nil {
			_, err = URL(raw, func(string) string { return "" })
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", raw, err)
			continue
		}
		if strings.Contains(strings.ReplaceAll(err.Error(), "SECRET-no", ""), "SECRET") {
			t.Errorf("repeats a secret: %v", err)
		}
	}
}
