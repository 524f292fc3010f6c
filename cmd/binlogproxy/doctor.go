package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/binlogproxy/binlogproxy/archive/store"
	"github.com/binlogproxy/binlogproxy/internal/config"
	"github.com/binlogproxy/binlogproxy/internal/dial"
	"github.com/binlogproxy/binlogproxy/replication"
)

// doctorCommand examines a set-up before or while a daemon runs on it. Its flags are
// those of run. It changes nothing but for a small file in the data directory and small
// objects in the bucket, which it removes again.
type doctorCommand struct {
	runFlags
	outputFlags
}

// Outcomes of a check.
const (
	checkOK   = "ok"
	checkWarn = "warn" // works, and may hurt later
	checkFail = "fail" // does not work
)

// diagnosis is what one check has to say.
type diagnosis struct {
	Source  string `json:"source"` // "" for what all sources share
	Check   string `json:"check"`
	Result  string `json:"result"`
	Message string `json:"message"`
	Advice  string `json:"advice"` // "" where there is nothing to do
}

func ok(format string, args ...any) diagnosis {
	return diagnosis{Result: checkOK, Message: fmt.Sprintf(format, args...)}
}

func warn(advice, format string, args ...any) diagnosis {
	return diagnosis{Result: checkWarn, Message: fmt.Sprintf(format, args...), Advice: advice}
}

func fail(advice, format string, args ...any) diagnosis {
	return diagnosis{Result: checkFail, Message: fmt.Sprintf(format, args...), Advice: advice}
}

// patient is one source with what checks need of it.
type patient struct {
	settings
	dir    string           // of its archive
	daemon replication.UUID // ours; zero before the first start
	conn   *dial.Conn       // nil where it cannot be reached
	refuse error            // then why
	store  store.Store      // the bucket; nil where there is none, or it cannot be used
	now    func() time.Time
}

// examinations are the checks of a source, in the order in which they are shown. Those
// that ask the source, or the bucket, are left out where it does not answer.
var examinations = []struct {
	name    string
	examine func(context.Context, *patient) diagnosis
	asks    asked
}{
	{"source", examineReach, asksNobody},
	{"tls", examineTLS, asksSource},
	{"grants", examineGrants, asksSource},
	{"clock", examineClock, asksSource},
	{"binlog", examineBinlog, asksSource},
	{"retention", examineRetention, asksSource},
	{"server-id", examineServerID, asksSource},
	{"archive", examineArchive, asksNobody},
	{"bucket-lease", examineLease, asksBucket},
	{"bucket-identity", examineIdentity, asksBucket},
}

// asked is whom a check needs.
type asked int

const (
	asksNobody asked = iota
	asksSource
	asksBucket
)

// Run prints a line for each check.
func (c *doctorCommand) Run(ctx context.Context, s streams) error {
	configuration, sources, err := c.load()
	if err != nil {
		return err
	}
	all := []diagnosis{named("", "configuration", ok("valid, with %d sources", len(sources)))}
	for _, d := range examineDisk(configuration.DataDir) {
		all = append(all, named("", "data-dir", d))
	}
	bucket, shared := examineBucket(ctx, configuration.Bucket.URL, time.Now)
	all = append(all, shared...)
	if bucket != nil {
		defer bucket.Close()
	}
	daemon := knownUUID(configuration.DataDir)
	for _, source := range sources {
		p := &patient{settings: source, dir: filepath.Join(configuration.DataDir, source.Name), daemon: daemon, store: bucket, now: time.Now}
		all = append(all, p.examine(ctx)...)
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return c.print(s, all)
}

func named(source, check string, d diagnosis) diagnosis {
	d.Source, d.Check = source, check
	return d
}

// examine connects to the source and does all checks.
func (p *patient) examine(ctx context.Context) (all []diagnosis) {
	p.conn, p.refuse = dial.Open(ctx, dial.Options{Addr: p.Address, User: p.User, Password: p.password, ConnectTimeout: p.ConnectTimeout, TLS: p.TLS()})
	if p.refuse == nil {
		defer p.conn.Close()
	}
	for _, e := range examinations {
		if e.asks == asksSource && p.conn == nil || e.asks == asksBucket && p.store == nil {
			continue
		}
		all = append(all, named(p.Name, e.name, e.examine(ctx, p)))
	}
	return all
}

// ask runs a statement of one row.
func (p *patient) ask(ctx context.Context, statement string) ([]string, error) {
	result, err := p.conn.Query(ctx, statement)
	if err == nil && len(result.Rows) != 1 {
		err = fmt.Errorf("%s: %d rows", statement, len(result.Rows))
	}
	if err != nil {
		return nil, err
	}
	return result.Rows[0], nil
}

// unanswered is the diagnosis where a question has failed.
func unanswered(err error) diagnosis {
	return fail("see the source's error log", "the source does not answer: %v", err)
}

// knownUUID is this daemon's, if it has one yet.
func knownUUID(dataDir string) (id replication.UUID) {
	if b, err := os.ReadFile(filepath.Join(dataDir, config.UUIDFile)); err == nil {
		id, _ = replication.ParseUUID(strings.TrimSpace(string(b))) // run reports a bad one
	}
	return id
}

func (c *doctorCommand) print(s streams, all []diagnosis) error {
	w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	failed := 0
	for _, d := range all {
		if d.Result == checkFail {
			failed++
		}
		if c.JSON {
			if err := printJSON(s.out, d); err != nil {
				return err
			}
			continue
		}
		if d.Advice != "" {
			d.Message += ": " + d.Advice
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", d.Result, d.Source, d.Check, oneLine(d.Message))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if failed > 0 {
		return &codedError{exitFailure, fmt.Errorf("%d of %d checks failed", failed, len(all))}
	}
	return nil
}
