package s3

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/binlogproxy/binlogproxy/archive/store"
	"github.com/binlogproxy/binlogproxy/internal/suggest"
)

// Bucket says which bucket, and how it is reached. It has no secrets.
type Bucket struct {
	Name   string
	Prefix string // of all keys, without a slash at either end; "" = none

	Endpoint     string // http(s)://host[:port]; "" = AWS
	Region       string // "" = us-east-1
	PathStyle    *bool  // the bucket's name in the path, not in the host's name; nil = by the endpoint: not at AWS
	StorageClass string // "" = the bucket's
	SSE          string // encryption by the store: AES256 or aws:kms; "" = as the bucket has it
	SSEKMSKey    string // with aws:kms; "" = the account's own
	CA           string // PEM file of authorities that vouch for the endpoint, beside the system's; "" = none
}

// parameters of the URL, by name.
var parameters = map[string]func(*Bucket, string) error{
	"endpoint":      (*Bucket).setEndpoint,
	"region":        func(b *Bucket, v string) error { b.Region = v; return nil },
	"path-style":    (*Bucket).setPathStyle,
	"storage-class": func(b *Bucket, v string) error { b.StorageClass = v; return nil },
	"sse":           (*Bucket).setSSE,
	"sse-kms-key":   func(b *Bucket, v string) error { b.SSEKMSKey = v; return nil },
	"ca":            func(b *Bucket, v string) error { b.CA = v; return nil },
}

// ParseURL reads s3://bucket/prefix?parameter=value&… It returns all mistakes at
// once. What getenv knows fills in what the URL leaves open: AWS_ENDPOINT_URL_S3,
// AWS_ENDPOINT_URL, AWS_REGION, AWS_DEFAULT_REGION, AWS_CA_BUNDLE. No error repeats
// the URL, in which somebody may have put a secret.
func ParseURL(raw string, getenv func(string) string) (Bucket, error) {
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != "s3" {
		return Bucket{}, errors.New("the bucket's URL is not of the form s3://bucket/prefix?parameter=value")
	}
	if u.User != nil {
		return Bucket{}, errors.New("the bucket's URL has a user or a secret in it: put credentials where the standard AWS chain finds them, and only there")
	}
	b := Bucket{Name: u.Host, Prefix: strings.Trim(u.Path, "/")}
	var errs []error
	if b.Name == "" || u.Port() != "" || u.Fragment != "" {
		errs = append(errs, errors.New("the bucket's URL must have a bucket's name, and neither port nor fragment"))
	}
	if b.Prefix != "" {
		errs = append(errs, store.CheckKey(b.Prefix))
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		errs = append(errs, errors.New("the parameters of the bucket's URL cannot be read"))
	}
	known := slices.Sorted(maps.Keys(parameters))
	for _, name := range slices.Sorted(maps.Keys(query)) {
		set, ok := parameters[name]
		if !ok {
			errs = append(errs, fmt.Errorf("unknown parameter %q of the bucket's URL%s", name, suggest.DidYouMean(name, known)))
			continue
		}
		if len(query[name]) > 1 || query[name][0] == "" {
			errs = append(errs, fmt.Errorf("the parameter %s of the bucket's URL must have one value", name))
			continue
		}
		errs = append(errs, set(&b, query[name][0]))
	}
	errs = append(errs, b.fillIn(getenv))
	if b.SSEKMSKey != "" && b.SSE != "aws:kms" {
		errs = append(errs, errors.New("sse-kms-key needs sse=aws:kms"))
	}
	return b, errors.Join(errs...)
}

func (b *Bucket) fillIn(getenv func(string) string) (err error) {
	first := func(names ...string) string {
		for _, name := range names {
			if value := getenv(name); value != "" {
				return value
			}
		}
		return ""
	}
	if endpoint := first("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"); b.Endpoint == "" && endpoint != "" {
		err = b.setEndpoint(endpoint)
	}
	if b.Region == "" {
		b.Region = first("AWS_REGION", "AWS_DEFAULT_REGION")
	}
	if b.CA == "" {
		b.CA = first("AWS_CA_BUNDLE")
	}
	return err
}

func (b *Bucket) setEndpoint(value string) error {
	u, err := url.Parse(value)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.User != nil {
		return errors.New("the endpoint must be https://host:port, or http:// where nobody can listen")
	}
	b.Endpoint = u.Scheme + "://" + u.Host
	return nil
}

func (b *Bucket) setPathStyle(value string) error {
	if value != "true" && value != "false" {
		return fmt.Errorf("path-style is true or false, not %q", value)
	}
	b.PathStyle = new(bool)
	*b.PathStyle = value == "true"
	return nil
}

func (b *Bucket) setSSE(value string) error {
	if value != "AES256" && value != "aws:kms" {
		return fmt.Errorf("sse is AES256 or aws:kms, not %q", value)
	}
	b.SSE = value
	return nil
}

// String is the URL of the bucket.
func (b Bucket) String() string {
	query := url.Values{}
	for name, value := range map[string]string{
		"endpoint": b.Endpoint, "region": b.Region, "storage-class": b.StorageClass,
		"sse": b.SSE, "sse-kms-key": b.SSEKMSKey, "ca": b.CA,
	} {
		if value != "" {
			query.Set(name, value)
		}
	}
	if b.PathStyle != nil {
		query.Set("path-style", fmt.Sprint(*b.PathStyle))
	}
	u := url.URL{Scheme: "s3", Host: b.Name, Path: "/" + b.Prefix, RawQuery: query.Encode()}
	return u.String()
}
