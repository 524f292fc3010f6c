// Package open opens a store by its URL.
package open

import (
	"errors"
	"net/url"
	"strings"

	"github.com/binlogproxy/binlogproxy/archive/store"
	"github.com/binlogproxy/binlogproxy/archive/store/dir"
	"github.com/binlogproxy/binlogproxy/archive/store/s3"
)

// URL opens s3://bucket/prefix?parameter=value (see s3.ParseURL) or file:///dir, an
// existing directory. getenv is os.Getenv, for what an S3 URL leaves open. Whether a
// bucket can be used is found by its first use only.
func URL(raw string, getenv func(string) string) (store.Store, error) {
	scheme, _, _ := strings.Cut(raw, ":")
	switch scheme {
	case "s3":
		bucket, err := s3.ParseURL(raw, getenv)
		if err != nil {
			return nil, err
		}
		return s3.Open(bucket, s3.Options{})
	case "file":
		path, err := directory(raw)
		if err != nil {
			return nil, err
		}
		return dir.Open(path)
	}
	return nil, errors.New("a store's URL is s3://bucket/prefix?parameter=value or file:///dir")
}

// Check says what is wrong with a URL, as far as that can be told without using it.
func Check(raw string, getenv func(string) string) error {
	if strings.HasPrefix(raw, "file:") {
		_, err := directory(raw)
		return err
	}
	_, err := s3.ParseURL(raw, getenv)
	return err
}

func directory(raw string) (string, error) {
	u, err := url.Parse(raw)
	if err != nil || u.Host != "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || !strings.HasPrefix(u.Path, "/") {
		return "", errors.New("a directory's URL is file:///dir, with an absolute path and nothing else")
	}
	return u.Path, nil
}
