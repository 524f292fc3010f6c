package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
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
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", d.serveReady)
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

// serveReady answers 200 when every source is followed and well, else 503 with
// a line for each that is not.
func (d *daemon) serveReady(w http.ResponseWriter, _ *http.Request) {
	st := d.status()
	if !st.Ready {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	for _, s := range st.Sources {
		word := "ok"
		if !s.Ready {
			word = s.State
			if s.LastError != "" {
				word += ": " + s.LastError
			}
		}
		fmt.Fprintf(w, "source %s: %s\n", s.Name, word)
	}
}
