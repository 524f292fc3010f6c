package main

import (
	"math"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/binlogproxy/binlogproxy/archive"
	"github.com/binlogproxy/binlogproxy/server"
)

// metrics is the registry behind /metrics. What is a snapshot of something that
// is kept anyway is collected when asked for; only durations and errors of the bucket
// are observed as they happen. docs/metrics.md lists all of them, and a test compares.
type metrics struct {
	registry *prometheus.Registry
	fsync    *prometheus.HistogramVec
	bucket   *prometheus.CounterVec
}

func newMetrics() *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		fsync: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "binlogproxy_log_fsync_duration_seconds",
			Help:    "Time of each fsync of binlog bytes.",
			Buckets: prometheus.ExponentialBuckets(50e-6, 2.5, 14),
		}, []string{"source"}),
		bucket: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "binlogproxy_bucket_errors_total",
			Help: "Times that copying into the bucket, or making an empty directory from it, ended with an error; it is tried again.",
		}, []string{"source", "kind"}),
	}
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "binlogproxy_build_info", Help: "Always 1; the labels say what was built.",
		ConstLabels: prometheus.Labels{"version": version, "revision": revision(), "goversion": runtime.Version()},
	})
	build.Set(1)
	m.registry.MustRegister(m.fsync, m.bucket, build, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// syncObserver is what the log of a source tells the duration of each fsync.
func (m *metrics) syncObserver(source string) func(time.Duration) {
	histogram := m.fsync.WithLabelValues(source)
	return func(d time.Duration) { histogram.Observe(d.Seconds()) }
}

// forget drops what was observed of a source that is gone.
func (m *metrics) forget(source string) {
	m.fsync.DeleteLabelValues(source)
	m.bucket.DeletePartialMatch(prometheus.Labels{"source": source})
}

// watch collects from a daemon's sources.
func (m *metrics) watch(d *daemon) { m.registry.MustRegister(&sourceCollector{d}) }

// sourceCollector reads the sources' snapshots.
type sourceCollector struct{ daemon *daemon }

// metric is one line of the catalogue: one value, or several by a label.
type metric struct {
	desc   *prometheus.Desc
	kind   prometheus.ValueType
	value  func(sample) float64
	values func(sample) map[string]float64
}

// sample is what a source says of itself at one moment.
type sample struct {
	status      SourceStatus
	heartbeat   time.Duration
	log         archive.Stats
	server      server.Stats // zero while nothing listens
	disconnects map[string]uint64
}

// sample reads all that the metrics of a source need; open is false while its log
// is not, and then only its state is known.
func (s *source) sample() (now sample, open bool) {
	now.status = s.status()
	o := s.open.Load()
	if o == nil {
		return now, false
	}
	now.log, now.heartbeat = o.log.Stats(), s.now().Heartbeat
	if r := o.receiver.Load(); r != nil {
		now.disconnects = r.Status().Disconnects
	}
	if l := o.listener.Load(); l != nil {
		now.server = l.server.Stats()
	}
	return now, true
}

func newMetric(kind prometheus.ValueType, name, help string, value func(sample) float64) metric {
	return metric{desc: prometheus.NewDesc("binlogproxy_"+name, help, []string{"source"}, nil), kind: kind, value: value}
}

func newMetricBy(label string, kind prometheus.ValueType, name, help string, values func(sample) map[string]float64) metric {
	return metric{desc: prometheus.NewDesc("binlogproxy_"+name, help, []string{"source", label}, nil), kind: kind, values: values}
}

// unknown is the value of a metric that has none now.
var unknown = math.NaN()

var (
	gauge   = prometheus.GaugeValue
	counter = prometheus.CounterValue
)

// stateMetrics are known of every source at all times.
var stateMetrics = []metric{
	newMetric(gauge, "source_connected", "1 while events are received from the source.",
		func(s sample) float64 { return truth(s.status.State == "receiving") }),
	newMetric(gauge, "source_ready", "1 while the source is followed and nothing is wrong, as /readyz says.",
		func(s sample) float64 { return truth(s.status.Ready) }),
	newMetric(gauge, "source_stopped", "Exit code of a source that has failed or stopped, or cannot be served; 0 otherwise.",
		func(s sample) float64 { return float64(s.status.ExitCode) }),
	newMetricBy("state", gauge, "source_state", "1 for the state that the source is in, 0 for the others.",
		func(s sample) map[string]float64 {
			values := make(map[string]float64, len(sourceStates))
			for _, state := range sourceStates {
				values[state] = truth(state == s.status.State)
			}
			return values
		}),
}

// sourceMetrics are known of a source whose log is open.
var sourceMetrics = []metric{
	newMetric(counter, "source_connects_total", "Connections made to the source.",
		func(s sample) float64 { return float64(s.status.Connects) }),
	newMetric(counter, "source_received_bytes_total", "Bytes of events received.",
		func(s sample) float64 { return float64(s.status.ReceivedBytes) }),
	newMetric(counter, "source_events_total", "Events received.",
		func(s sample) float64 { return float64(s.status.Events) }),
	newMetric(counter, "source_transactions_total", "Transactions received and made durable.",
		func(s sample) float64 { return float64(s.status.Transactions) }),
	newMetric(gauge, "source_file_number", "Number in the name of the file that is received.",
		func(s sample) float64 { number, _ := filePosition(s.status.Received); return number }),
	newMetric(gauge, "source_position_bytes", "Offset received in that file.",
		func(s sample) float64 { _, offset := filePosition(s.status.Received); return offset }),
	newMetric(gauge, "source_lag_bytes", "Bytes that the source has and that were not received; absent while unknown.",
		func(s sample) float64 {
			if s.status.LagBytes < 0 {
				return unknown
			}
			return float64(s.status.LagBytes)
		}),
	newMetric(gauge, "source_last_durable_timestamp_seconds", "When events were last made durable; absent before the first.",
		func(s sample) float64 {
			if at := s.log.LastCommit; !at.IsZero() {
				return seconds(&at)
			}
			return unknown
		}),
	newMetric(gauge, "source_last_event_timestamp_seconds", "Time of the last event received, by the source's clock.",
		func(s sample) float64 { return seconds(s.status.LastEventTime) }),
	newMetric(gauge, "source_last_heard_timestamp_seconds", "When the source last sent anything, heartbeats included.",
		func(s sample) float64 { return seconds(s.status.LastHeard) }),
	newMetric(gauge, "source_heartbeat_seconds", "How long a source that is idle may be silent, as was asked of it.",
		func(s sample) float64 { return s.heartbeat.Seconds() }),
	newMetric(gauge, "source_last_gap_timestamp_seconds", "When the newest gap was found; absent where there is none.",
		func(s sample) float64 {
			if n := len(s.status.Gaps); n > 0 {
				return seconds(&s.status.Gaps[n-1].Detected)
			}
			return unknown
		}),
	newMetric(gauge, "source_gap_detected", "Stretches of history that are lost for good.",
		func(s sample) float64 { return float64(len(s.status.Gaps)) }),
	newMetric(gauge, "log_file_number", "Number in the name of the file that the durable mark is in.",
		func(s sample) float64 { number, _ := filePosition(s.status.Durable); return number }),
	newMetric(gauge, "log_durable_bytes", "Offset of the durable mark in that file.",
		func(s sample) float64 { _, offset := filePosition(s.status.Durable); return offset }),
	newMetric(gauge, "log_published_bytes", "Offset of the published mark in its file.",
		func(s sample) float64 { _, offset := filePosition(s.status.Published); return offset }),
	newMetric(gauge, "log_bytes", "Bytes of binlog files held.",
		func(s sample) float64 { return float64(s.status.Bytes) }),
	newMetric(gauge, "log_files", "Binlog files held.",
		func(s sample) float64 { return float64(s.status.Files) }),
	newMetric(gauge, "log_stalled", "1 while the disk is full and nothing is received.",
		func(s sample) float64 { return truth(s.status.Stalled) }),
	newMetric(gauge, "log_disk_free_bytes", "Bytes that are free on the disk of this source; absent while unknown.",
		func(s sample) float64 { return optional(s.status.DiskFree) }),
	newMetric(gauge, "archive_verified_timestamp_seconds", "When the last verification ended; absent before the first.",
		func(s sample) float64 {
			if v := s.status.Verified; v != nil {
				return seconds(&v.Ended)
			}
			return unknown
		}),
	newMetric(gauge, "archive_verified_damages", "Damages that the last verification found; absent before the first.",
		func(s sample) float64 {
			if v := s.status.Verified; v != nil {
				return float64(v.Damages)
			}
			return unknown
		}),
	newMetric(counter, "log_truncated_bytes_total", "Bytes of torn tails cut off in recoveries.",
		func(s sample) float64 { return float64(s.log.CutBytes) }),
	newMetric(counter, "log_fsync_failures_total", "Failed fsyncs.",
		func(s sample) float64 { return float64(s.log.SyncFailures) }),
	newMetricBy("reason", counter, "source_disconnects_total", "Connections to the source that ended, or did not come about.",
		func(s sample) map[string]float64 { return floats(s.disconnects) }),
	newMetric(gauge, "server_replicas", "Running dumps.",
		func(s sample) float64 { return float64(len(s.status.Downstream)) }),
	newMetricBy("state", gauge, "server_connections", "Connections of downstreams, logged in or pending.",
		func(s sample) map[string]float64 {
			return map[string]float64{"logged_in": float64(s.server.LoggedIn), "pending": float64(s.server.Pending)}
		}),
	newMetric(counter, "server_delayed_logins_total", "Logins of downstreams that had to wait because others had failed.",
		func(s sample) float64 { return float64(s.server.Delayed) }),
	newMetricBy("reason", counter, "server_refused_connections_total", "Connections of downstreams that were closed without a word about their login.",
		func(s sample) map[string]float64 {
			return map[string]float64{"too_many": float64(s.server.Refused), "evicted": float64(s.server.Evicted), "not_ready": float64(s.server.NotReady)}
		}),
	newMetricBy("reason", counter, "server_auth_failures_total", "Logins of downstreams that failed.",
		func(s sample) map[string]float64 { return floats(s.server.AuthFailures) }),
	newMetricBy("reason", counter, "server_replica_disconnects_total", "Dumps that ended.",
		func(s sample) map[string]float64 { return floats(s.server.DumpEnds) }),
}

var (
	reloadSuccessful = prometheus.NewDesc("binlogproxy_config_last_reload_successful",
		"1 unless the last reload of the configuration found a mistake, or a source could not keep its accounts.", nil, nil)
	reloadSuccess = prometheus.NewDesc("binlogproxy_config_last_reload_success_timestamp_seconds",
		"When the configuration that holds was read.", nil, nil)
)

// Describe implements prometheus.Collector.
func (c *sourceCollector) Describe(ch chan<- *prometheus.Desc) {
	ch <- reloadSuccessful
	ch <- reloadSuccess
	for _, m := range slices.Concat(stateMetrics, sourceMetrics, bucketMetrics) {
		ch <- m.desc
	}
}

// Collect implements prometheus.Collector.
func (c *sourceCollector) Collect(ch chan<- prometheus.Metric) {
	reload := c.daemon.reloadStatus()
	ch <- prometheus.MustNewConstMetric(reloadSuccessful, gauge, truth(reload.Successful))
	ch <- prometheus.MustNewConstMetric(reloadSuccess, gauge, seconds(&reload.LastSuccess))
	for _, s := range c.daemon.all() {
		now, open := s.sample()
		collect(ch, s.name, stateMetrics, now)
		if open {
			collect(ch, s.name, sourceMetrics, now)
		}
		if now.status.Bucket != nil {
			collect(ch, s.name, bucketMetrics, now)
		}
	}
}

func collect(ch chan<- prometheus.Metric, source string, metrics []metric, now sample) {
	for _, m := range metrics {
		if m.value != nil {
			if value := m.value(now); !math.IsNaN(value) {
				ch <- prometheus.MustNewConstMetric(m.desc, m.kind, value, source)
			}
			continue
		}
		for label, value := range m.values(now) {
			ch <- prometheus.MustNewConstMetric(m.desc, m.kind, value, source, label)
		}
	}
}

func floats(counts map[string]uint64) map[string]float64 {
	values := make(map[string]float64, len(counts))
	for label, n := range counts {
		values[label] = float64(n)
	}
	return values
}

func optional(n *int64) float64 {
	if n == nil {
		return unknown
	}
	return float64(*n)
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func seconds(t *time.Time) float64 {
	if t == nil {
		return 0
	}
	return float64(t.UnixNano()) / 1e9
}

// filePosition splits FILE:OFFSET into the file's number and the offset.
func filePosition(s string) (number, offset float64) {
	file, position, _ := strings.Cut(s, ":")
	offset, _ = strconv.ParseFloat(position, 64) // 0 where there is none yet
	number, _ = strconv.ParseFloat(file[strings.LastIndexByte(file, '.')+1:], 64)
	return number, offset
}
