package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// admin is the HTTP listener for people and machines that watch. It only reads.
type admin struct {
	listener net.Listener
	server   *http.Server
}

func newAdmin(listen string, d *daemon) (*admin, error) {
	listener, err := net.Listen("tcp", listen)
	if err != nil {
		return nil, fmt.Errorf("http: %w", err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(d.metrics.registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /status", d.serveStatus)
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, r *http.Request) { answer(w, r, "livez", []check{{name: "ping"}}) })
	mux.HandleFunc("GET /readyz", d.serveReady)
	mux.HandleFunc("GET /readyz/{source}", d.serveReady)
	return &admin{listener, &http.Server{
		Handler: mux, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second,
		IdleTimeout: time.Minute, MaxHeaderBytes: 64 << 10,
	}}, nil
}

func (a *admin) address() string { return a.listener.Addr().String() }

func (a *admin) serve() error {
	if err := a.server.Serve(a.listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("http: %w", err)
	}
	return nil
}

func (a *admin) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if err := a.server.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return a.server.Close()
}

func (d *daemon) serveStatus(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(d.status()); err != nil {
		d.logger.Debug("a status was not read to its end", "err", err)
	}
}

// check is one line of an answer in the manner of Kubernetes; "" as problem is none.
type check struct{ name, problem string }

// serveReady answers 200 when every source is followed and well, or the one in the
// path, else 503.
func (d *daemon) serveReady(w http.ResponseWriter, r *http.Request) {
	var checks []check
	only := r.PathValue("source")
	for _, s := range d.status().Sources {
		if only == "" || s.Name == only {
			checks = append(checks, check{"source " + s.Name, s.problem()})
		}
	}
	if only != "" && len(checks) == 0 {
		http.Error(w, "no source has this name", http.StatusNotFound)
		return
	}
	answer(w, r, "readyz", checks)
}

// problem is why a source is not ready, "" when it is.
func (s *SourceStatus) problem() string {
	switch {
	case s.Ready:
		return ""
	case s.Stalled:
		return "the disk is full"
	case s.LastError != "":
		return s.State + ": " + strings.ReplaceAll(s.LastError, "\n", "; ")
	}
	return s.State
}

// answer says 200 if all checks are well, else 503, with a line for each where one is
// not or the client has asked for ?verbose.
func answer(w http.ResponseWriter, r *http.Request, name string, checks []check) {
	var lines strings.Builder
	verdict := "passed"
	for _, c := range checks {
		if c.problem == "" {
			fmt.Fprintf(&lines, "[+]%s ok\n", c.name)
			continue
		}
		verdict = "failed"
		fmt.Fprintf(&lines, "[-]%s failed: %s\n", c.name, c.problem)
	}
	if verdict == "failed" {
		w.WriteHeader(http.StatusServiceUnavailable)
	} else if !r.URL.Query().Has("verbose") {
		fmt.Fprintln(w, "ok")
		return
	}
	fmt.Fprintf(w, "%s%s check %s\n", lines.String(), name, verdict)
}
