// Package httpfaults is an HTTP proxy in front of an S3 server that spoils chosen
// requests, so that a real client's reading of real answers is tested. For anything
// that can be said in terms of store.Store, package faultstore is simpler.
package httpfaults

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync"
)

// Fault is what happens to a request.
type Fault int

const (
	LostRequest  Fault = iota + 1 // the connection is cut, and the server never sees it
	LostResponse                  // the server has done it when the connection is cut
	Overloaded                    // 503 SlowDown, and the server never sees it
	Truncated                     // the connection is cut in the middle of the answer's body
	CutRequest                    // the connection is cut in the middle of the request's body
	Failed                        // 500 InternalError, and the server never sees it
	Answered                      // as Rule.Status and Rule.Code say, and the server never sees it
)

// Rule says which requests meet a fault.
type Rule struct {
	Fault Fault
	Match func(*http.Request) bool // nil = all
	Times int                      // 0 = no limit

	Status int    // of Answered
	Code   string // of S3
}

// Proxy passes requests on to one server. The Host header stays as the client has
// signed it.
type Proxy struct {
	server  *httptest.Server
	forward *httputil.ReverseProxy

	mu     sync.Mutex // guards the rest
	rules  []Rule
	served []string // method and path of every request
	spoilt int
}

// New starts a proxy in front of the server at addr, host:port. Whoever calls it calls
// Close.
func New(addr string) *Proxy {
	p := new(Proxy)
	p.forward = &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(&url.URL{Scheme: "http", Host: addr})
			r.Out.Host = r.In.Host
		},
		ModifyResponse: spoil,
		Transport:      &http.Transport{DisableKeepAlives: true, DisableCompression: true},
		ErrorLog:       log.New(io.Discard, "", 0), // of bodies that were cut on purpose
	}
	p.server = httptest.NewServer(p)
	return p
}

// Close ends the proxy and its connections.
func (p *Proxy) Close() { p.server.Close() }

// Addr is host:port.
func (p *Proxy) Addr() string { return p.server.Listener.Addr().String() }

// Rules replaces all rules. Of several that match a request, the first counts.
func (p *Proxy) Rules(rules ...Rule) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rules = rules
	p.served, p.spoilt = nil, 0
}

// Requests are method and path of all requests since the last call of Rules.
func (p *Proxy) Requests() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.served
}

// Spoilt is how many of these have met a fault.
func (p *Proxy) Spoilt() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.spoilt
}

func (p *Proxy) choose(r *http.Request) Rule {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.served = append(p.served, r.Method+" "+r.URL.Path)
	for i := range p.rules {
		rule := &p.rules[i]
		if rule.Times < 0 || rule.Match != nil && !rule.Match(r) {
			continue
		}
		if rule.Times == 1 {
			rule.Times = -1 // used up
		} else if rule.Times > 1 {
			rule.Times--
		}
		p.spoilt++
		return *rule
	}
	return Rule{}
}

// faultHeader tells spoil, which only sees the answer, what was chosen.
const faultHeader = "X-Testenv-Fault"

// ServeHTTP implements http.Handler.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch rule := p.choose(r); rule.Fault {
	case LostRequest:
		panic(http.ErrAbortHandler)
	case Overloaded:
		refuse(w, r, http.StatusServiceUnavailable, "SlowDown")
	case Failed:
		refuse(w, r, http.StatusInternalServerError, "InternalError")
	case Answered:
		refuse(w, r, rule.Status, rule.Code)
	case CutRequest:
		half := io.LimitReader(r.Body, r.ContentLength/2)
		r.Body = io.NopCloser(io.MultiReader(half, broken{}))
		p.forward.ServeHTTP(httptest.NewRecorder(), r)
		panic(http.ErrAbortHandler)
	case LostResponse:
		p.forward.ServeHTTP(httptest.NewRecorder(), r)
		panic(http.ErrAbortHandler)
	case Truncated:
		r.Header.Set(faultHeader, "truncated")
		p.forward.ServeHTTP(w, r)
	default:
		p.forward.ServeHTTP(w, r)
	}
}

// refuse answers in the server's place.
func refuse(w http.ResponseWriter, r *http.Request, status int, code string) {
	_, _ = io.Copy(io.Discard, r.Body)
	w.WriteHeader(status)
	fmt.Fprintf(w, "<Error><Code>%s</Code><Message>injected</Message></Error>", code)
}

// spoil cuts the body of an answer in the middle.
func spoil(answer *http.Response) error {
	if answer.Request.Header.Get(faultHeader) != "" && answer.ContentLength > 0 {
		half := io.LimitReader(answer.Body, answer.ContentLength/2)
		answer.Body = struct {
			io.Reader
			io.Closer
		}{io.MultiReader(half, broken{}), answer.Body}
	}
	return nil
}

// broken is a body that breaks off.
type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }
