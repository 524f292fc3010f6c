package main

// bucketMetrics are known of a source whose log is open, where there is a bucket.
var bucketMetrics = []metric{
	newMetric(gauge, "bucket_epoch", "Epoch of the lease that is held; 0 for none.",
		func(s sample) float64 { return float64(s.status.Bucket.Epoch) }),
	newMetric(gauge, "bucket_behind_bytes", "Bytes that are durable here and not in the bucket.",
		func(s sample) float64 { return float64(s.status.Bucket.BehindBytes) }),
	newMetric(gauge, "bucket_behind_seconds", "Age of the oldest byte that is not in the bucket: what would be lost with this disk.",
		func(s sample) float64 { return s.status.Bucket.BehindSeconds }),
	newMetric(gauge, "bucket_pending_files", "Complete files that are not in the bucket's catalog.",
		func(s sample) float64 { return float64(s.status.Bucket.PendingFiles) }),
	newMetric(gauge, "bucket_failing", "1 while the log cannot be copied into the bucket.",
		func(s sample) float64 { return truth(s.status.Bucket.LastError != "") }),
	newMetric(counter, "bucket_pieces_total", "Pieces of open files written to the bucket.",
		func(s sample) float64 { return float64(s.status.Bucket.Pieces) }),
	newMetric(counter, "bucket_piece_bytes_total", "Bytes of these pieces.",
		func(s sample) float64 { return float64(s.status.Bucket.PieceBytes) }),
	newMetric(counter, "bucket_sealed_files_total", "Complete files sealed in the bucket.",
		func(s sample) float64 { return float64(s.status.Bucket.SealedFiles) }),
	newMetric(counter, "bucket_damage_reads_total", "Times that a reader met an object that is damaged or missing.",
		func(s sample) float64 { return float64(s.status.Bucket.DamageReads) }),
	newMetric(counter, "log_evicted_files_total", "Files removed from the disk because the bucket has them.",
		func(s sample) float64 { return float64(s.status.Bucket.EvictedFiles) }),
	newMetric(gauge, "log_local_bytes", "Bytes of binlog files on this disk.",
		func(s sample) float64 { return float64(s.status.Bucket.LocalBytes) }),
	newMetric(gauge, "bucket_piece_interval_seconds", "How long what was received may wait before it is in the bucket, as configured.",
		func(s sample) float64 { return s.status.Bucket.PieceInterval }),
	newMetric(gauge, "bucket_probed_timestamp_seconds", "When it was last proved that the bucket keeps what it must; absent before the first time.",
		func(s sample) float64 {
			if at := s.status.Bucket.Probed; at != nil {
				return seconds(at)
			}
			return unknown
		}),
	newMetric(gauge, "log_local_limit_bytes", "Bytes of binlog files on this disk at which receiving waits; absent without such a limit.",
		func(s sample) float64 {
			if limit := s.status.Bucket.LocalLimit; limit > 0 {
				return float64(limit)
			}
			return unknown
		}),
}
