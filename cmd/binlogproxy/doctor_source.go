package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/binlogproxy/binlogproxy/archive"
	"github.com/binlogproxy/binlogproxy/internal/dial"
)

func examineReach(_ context.Context, p *patient) diagnosis {
	switch {
	case p.refuse == nil:
		return ok("%s answers, version %s", p.Address, p.conn.ServerVersion())
	case errors.As(p.refuse, new(*dial.DeniedError)):
		return fail("binlogproxy grants prints the SQL for an account; check the password file", "%v", p.refuse)
	case errors.As(p.refuse, new(*dial.UntrustedError)):
		return fail("see ssl-mode, ssl-ca and ssl-server-name in docs/configuration.md", "%v", p.refuse)
	}
	return fail("check address, firewall and bind_address", "%v", p.refuse)
}

const certificateTime = 30 * 24 * time.Hour // in which a certificate should be renewed

func examineTLS(_ context.Context, p *patient) diagnosis {
	host, _, _ := net.SplitHostPort(p.Address)
	cipher, end := p.conn.TLS(), p.conn.CertificateEnd()
	switch left := end.Sub(p.now()); {
	case cipher == "off" && (host == "localhost" || net.ParseIP(host).IsLoopback()):
		return ok("off, on loopback")
	case cipher == "off":
		return warn("set ssl-mode to verify_identity", "the connection is not encrypted: all binlogs can be read on the way")
	case left < 0:
		return fail("renew it", "the source's certificate has expired at %s", timeText(end))
	case left < certificateTime:
		return warn("renew it", "the source's certificate expires at %s", timeText(end))
	case !p.SSLMode.Verifies():
		return warn("set ssl-mode to verify_identity", "%s, but whoever answers is believed (ssl-mode %s)", cipher, p.SSLMode)
	}
	return ok("%s, verified; the certificate expires at %s", cipher, timeText(end))
}

func examineGrants(ctx context.Context, p *patient) diagnosis {
	for _, privilege := range privileges {
		if _, err := p.list(ctx, privilege.statement); err != nil && dial.Number(err) != erNoBinaryLogging {
			return fail(fmt.Sprintf("run there: GRANT %s ON *.* TO <the account of %q>", privilege.name, p.User), "%v", err)
		}
	}
	return ok("the account has what it needs")
}

// Error numbers of answers that are looked at (share/messages_to_clients.txt).
const (
	erParseError      = 1064
	erNoBinaryLogging = 1381
)

// list runs a SHOW statement, by its older name where the source is older than 8.0.22.
func (p *patient) list(ctx context.Context, statement string) (dial.Result, error) {
	result, err := p.conn.Query(ctx, statement)
	if dial.Number(err) == erParseError {
		result, err = p.conn.Query(ctx, strings.Replace(statement, "REPLICAS", "SLAVE HOSTS", 1))
	}
	return result, err
}

const clockLimit = time.Second

func examineClock(ctx context.Context, p *patient) diagnosis {
	before := p.now()
	row, err := p.ask(ctx, "SELECT UNIX_TIMESTAMP(NOW(6))")
	if err != nil {
		return unanswered(err)
	}
	took := p.now().Sub(before)
	seconds, err := strconv.ParseFloat(row[0], 64)
	if err != nil {
		return unanswered(err)
	}
	whole, part := math.Modf(seconds)
	apart := time.Unix(int64(whole), int64(part*1e9)).Sub(before.Add(took / 2)).Round(time.Millisecond)
	if apart.Abs() > clockLimit+took/2 {
		return warn("synchronise both clocks: the lag in seconds, and searches by time, go by the source's", "the source's clock is %s off ours", apart)
	}
	return ok("%s off ours", apart)
}

// wanted are settings of a source that we can do without, and what that costs.
var wanted = []struct{ variable, value, otherwise string }{
	{"binlog_format", "ROW", "statements may have other effects on replicas"},
	{"gtid_mode", "ON", "positions in files above 4 GiB are resumed from below that, and replicas cannot change their source by GTID"},
	{"binlog_checksum", "CRC32", "damage on the way from the source's disk to ours goes unnoticed"},
}

func examineBinlog(ctx context.Context, p *patient) diagnosis {
	row, err := p.ask(ctx, "SELECT @@log_bin, @@server_id")
	if err != nil {
		return unanswered(err)
	}
	switch {
	case row[0] != "1" && !strings.EqualFold(row[0], "ON"):
		return fail("start it with --log-bin", "the source writes no binlog")
	case row[1] == "0":
		return fail("set it", "the source has server_id 0 and sends no binlog")
	}
	for _, w := range wanted {
		row, err := p.ask(ctx, "SELECT @@GLOBAL."+w.variable)
		if err != nil {
			return unanswered(err)
		}
		if !strings.EqualFold(row[0], w.value) {
			return warn(fmt.Sprintf("set it to %s: else %s", w.value, w.otherwise), "%s of the source is %s", w.variable, row[0])
		}
	}
	return ok("the source writes binlogs with GTIDs, rows and checksums")
}

const shortRetention = time.Hour

// examineRetention compares what the source still has with what we lack.
func examineRetention(ctx context.Context, p *patient) diagnosis {
	logs, err := p.conn.Query(ctx, "SHOW BINARY LOGS")
	if err != nil {
		return warn("see the check of grants", "the source's files are not known: %v", err)
	}
	row, err := p.ask(ctx, "SELECT @@GLOBAL.binlog_expire_logs_seconds")
	if err != nil {
		return unanswered(err)
	}
	seconds, err := strconv.ParseInt(row[0], 10, 64)
	if err != nil {
		return unanswered(err)
	}
	keeps := time.Duration(seconds) * time.Second
	if a, err := archive.OpenReadOnly(ctx, archive.Options{Dir: p.dir}); err == nil && a.State().Published.File != "" {
		at := a.State().Published
		i := slices.IndexFunc(logs.Rows, func(row []string) bool { return row[0] == at.File })
		if i < 0 {
			return fail("if it was reset, see \"another history\" in docs/operations.md; else the next connection records a gap", "the source does not have %s any more, where we are", at.File)
		}
		if behind := len(logs.Rows) - 1 - i; i == 0 && behind > 0 {
			return warn("let it keep them longer, and see that the daemon runs", "we are in the oldest file that the source has, and %d files behind: it may be purged next", behind)
		}
	}
	switch {
	case keeps == 0:
		return ok("the source purges nothing by itself")
	case keeps < shortRetention:
		return warn("set binlog_expire_logs_seconds to a day or more", "the source keeps its binlogs for %s: an outage as long loses history", keeps)
	}
	return ok("the source keeps its binlogs for %s", keeps)
}

func examineServerID(ctx context.Context, p *patient) diagnosis {
	row, err := p.ask(ctx, "SELECT @@server_id")
	if err != nil {
		return unanswered(err)
	}
	ours := strconv.FormatUint(uint64(p.ServerID), 10)
	const advice = "give binlogproxy a server-id of its own"
	if row[0] == ours {
		return fail(advice, "server-id %s is the source's own", ours)
	}
	replicas, err := p.list(ctx, "SHOW REPLICAS")
	if err != nil {
		return warn("see the check of grants", "other replicas are not known: %v", err)
	}
	uuid := uuidOf(p.daemon, p.Name).String()
	for _, r := range replicas.Rows { // server id, host, port, source id, uuid
		if len(r) > 4 && r[0] == ours && !strings.EqualFold(r[4], uuid) {
			return fail(advice, "server-id %s is in use by the replica %s (host %q)", ours, r[4], r[1])
		}
	}
	return ok("%s is ours alone", ours)
}
