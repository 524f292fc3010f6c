package s3

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/minio/minio-go/v7/pkg/credentials"
)

// chain looks for credentials where the AWS tools do, in their order, and takes those
// of the first place that has some. It is asked again when they are about to expire.
//
// minio-go has a chain too, but that goes on without any credentials where it finds
// none, so that the store answers "access denied".
type chain struct {
	links []link

	mu    sync.Mutex // guards found, which source reads beside minio-go
	found *link
}

type link struct {
	name     string
	provider credentials.Provider
}

// errNoCredentials: nothing in the chain has any.
var errNoCredentials = errors.New("no credentials")

// Chain is the standard AWS chain: environment, shared files (AWS_PROFILE, SSO,
// credential_process), web identity, container, instance metadata.
func Chain() credentials.Provider {
	links := []link{
		{name: "environment", provider: &credentials.EnvAWS{}},
		{name: "shared file", provider: &credentials.FileAWSCredentials{}},
	}
	iam := link{name: iamName(), provider: &credentials.IAM{Client: metadataClient()}}
	if iam.name == "web identity" { // before the files, as in the AWS tools
		links = slices.Insert(links, 1, iam)
	} else if iam.name != "" {
		links = append(links, iam)
	}
	return &chain{links: links}
}

// iamName is which of its services the IAM provider asks; "" = it may ask none.
func iamName() string {
	switch {
	case os.Getenv("AWS_WEB_IDENTITY_TOKEN_FILE") != "":
		return "web identity"
	case os.Getenv("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI") != "" || os.Getenv("AWS_CONTAINER_CREDENTIALS_FULL_URI") != "":
		return "container"
	case strings.EqualFold(os.Getenv("AWS_EC2_METADATA_DISABLED"), "true"):
		return ""
	}
	return "instance metadata"
}

// metadataClient gives up soon, because elsewhere than in a cloud nothing answers,
// and asks link-local addresses without a proxy.
func metadataClient() *http.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.DisableKeepAlives = true // asked once in hours
	transport.Proxy = func(request *http.Request) (*url.URL, error) {
		if strings.HasPrefix(request.URL.Host, "169.254.") {
			return nil, nil
		}
		return http.ProxyFromEnvironment(request)
	}
	return &http.Client{Transport: transport, Timeout: 5 * time.Second}
}

// RetrieveWithCredContext implements credentials.Provider.
func (c *chain) RetrieveWithCredContext(cc *credentials.CredContext) (credentials.Value, error) {
	var reasons []string
	for i := range c.links {
		value, err := c.links[i].provider.RetrieveWithCredContext(cc)
		if err == nil && value.AccessKeyID != "" && value.SecretAccessKey != "" {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.found = &c.links[i]
			return value, nil
		}
		reason := "none"
		if err != nil {
			reason = err.Error()
		}
		reasons = append(reasons, c.links[i].name+": "+reason)
	}
	return credentials.Value{}, fmt.Errorf("%w (%s)", errNoCredentials, strings.Join(reasons, "; "))
}

// Retrieve implements credentials.Provider.
func (c *chain) Retrieve() (credentials.Value, error) { return c.RetrieveWithCredContext(nil) }

// IsExpired implements credentials.Provider.
func (c *chain) IsExpired() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.found == nil || c.found.provider.IsExpired()
}

// source is the place that had credentials last; "" = none yet.
func (c *chain) source() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.found == nil {
		return ""
	}
	return c.found.name
}
