package cli

import (
	"encoding/json"
	"time"
)

// The JSON contract, written down a second time and by hand: that the commands'
// own types change must not change it. Keys may be added here, not renamed.
type (
	problemDoc struct {
		Severity string `json:"severity"`
		Object   string `json:"object"`
		Message  string `json:"message"`
	}
	extentDoc struct {
		From *time.Time `json:"from"`
		To   *time.Time `json:"to"`
	}
	generationDoc struct {
		Generation  string       `json:"generation"`
		Snapshots   int          `json:"snapshots"`
		WALSegments int          `json:"wal_segments"`
		Bytes       int64        `json:"bytes"`
		CreatedAt   *time.Time   `json:"created_at"`
		UpdatedAt   *time.Time   `json:"updated_at"`
		Restorable  []extentDoc  `json:"restorable"`
		Problems    []problemDoc `json:"problems"`
	}
	snapshotDoc struct {
		Format     string    `json:"format"`
		Generation *string   `json:"generation,omitempty"`
		Index      *int      `json:"index,omitempty"`
		MinTXID    *string   `json:"min_txid,omitempty"`
		MaxTXID    *string   `json:"max_txid,omitempty"`
		Size       int64     `json:"size"`
		CreatedAt  time.Time `json:"created_at"`
	}
	walDoc struct {
		Generation string    `json:"generation"`
		Index      int       `json:"index"`
		Offset     int64     `json:"offset"`
		Size       int64     `json:"size"`
		CreatedAt  time.Time `json:"created_at"`
	}
	ltxDoc struct {
		Level     int       `json:"level"`
		MinTXID   string    `json:"min_txid"`
		MaxTXID   string    `json:"max_txid"`
		Size      int64     `json:"size"`
		Timestamp time.Time `json:"timestamp"`
		CreatedAt time.Time `json:"created_at"`
	}
	gapDoc struct {
		After  string `json:"after"`
		Before string `json:"before"`
	}
	levelDoc struct {
		Level   int        `json:"level"`
		Files   int        `json:"files"`
		Bytes   int64      `json:"bytes"`
		MinTXID string     `json:"min_txid"`
		MaxTXID string     `json:"max_txid"`
		Oldest  *time.Time `json:"oldest"`
		Newest  *time.Time `json:"newest"`
		Gaps    []gapDoc   `json:"gaps"`
	}
	ltxReportDoc struct {
		Layout         string     `json:"layout"`
		Levels         []levelDoc `json:"levels"`
		MaxTXID        string     `json:"max_txid"`
		RestorableTXID *string    `json:"restorable_txid,omitempty"`
		RestorableAt   *time.Time `json:"restorable_at,omitempty"`
	}
	leaseDoc struct {
		Generation int64      `json:"generation"`
		Owner      string     `json:"owner"`
		ExpiresAt  *time.Time `json:"expires_at"`
		State      string     `json:"state"`
	}
	leaseShowDoc struct {
		leaseDoc
		ETag *string `json:"etag,omitempty"`
		Note *string `json:"note,omitempty"`
	}
	leaseGrantDoc struct { // of acquire and renew; release and break have no ttl_ms
		URL string `json:"url"`
		leaseShowDoc
		TTL *int64 `json:"ttl_ms,omitempty"`
	}
	inspectDoc struct {
		URL         string          `json:"url"`
		Formats     []string        `json:"formats"`
		LTX         *ltxReportDoc   `json:"ltx,omitempty"`
		Generations []generationDoc `json:"generations"`
		Lease       *leaseDoc       `json:"lease,omitempty"`
		Objects     int             `json:"objects"`
		Bytes       int64           `json:"bytes"`
		Verified    int             `json:"verified"`
		Problems    []problemDoc    `json:"problems"`
	}
	probeCheckDoc struct {
		Name     string `json:"name"`
		Result   string `json:"result"`
		Evidence string `json:"evidence"`
	}
	probeDoc struct {
		URL     string          `json:"url"`
		Verdict string          `json:"verdict"`
		Rounds  int             `json:"rounds"`
		Writers int             `json:"writers"`
		Prefix  string          `json:"prefix"`
		Checks  []probeCheckDoc `json:"checks"`
		Left    []string        `json:"left"`
	}
	pointDocument struct {
		TXID       *string   `json:"txid,omitempty"`
		Generation *string   `json:"generation,omitempty"`
		Index      *int      `json:"index,omitempty"`
		Offset     *int64    `json:"offset,omitempty"`
		Time       time.Time `json:"time"`
	}
	objectDocument struct {
		Key  string `json:"key"`
		Size int64  `json:"size"`
	}
	planDocument struct {
		URL      string           `json:"url"`
		Format   string           `json:"format"`
		Reason   *string          `json:"reason,omitempty"`
		State    pointDocument    `json:"state"`
		Asked    *time.Time       `json:"timestamp,omitempty"`
		Next     *pointDocument   `json:"next,omitempty"`
		Notes    []string         `json:"notes"`
		Objects  []objectDocument `json:"objects"`
		Bytes    int64            `json:"bytes"`
		Requests int              `json:"requests"`
	}
	restoreDocument struct {
		URL      string         `json:"url"`
		Output   string         `json:"output"`
		Restored bool           `json:"restored"`
		Format   *string        `json:"format,omitempty"`
		State    *pointDocument `json:"state,omitempty"`
		Asked    *time.Time     `json:"timestamp,omitempty"`
		Next     *pointDocument `json:"next,omitempty"`
		Notes    []string       `json:"notes,omitempty"`
		Bytes    *int64         `json:"bytes,omitempty"`
		Size     *int64         `json:"size,omitempty"`
		Seconds  *float64       `json:"seconds,omitempty"`
		Error    string         `json:"error,omitempty"`
	}
	queryDocument struct {
		URL      string           `json:"url"`
		Format   string           `json:"format"`
		State    pointDocument    `json:"state"`
		Asked    *time.Time       `json:"timestamp,omitempty"`
		Next     *pointDocument   `json:"next,omitempty"`
		Notes    []string         `json:"notes"`
		Results  []resultDocument `json:"results"`
		Requests int64            `json:"requests"`
		Bytes    int64            `json:"bytes"`
	}
	resultDocument struct {
		Columns []string `json:"columns"`
		Rows    [][]any  `json:"rows"`
	}
	tablesDocument struct {
		URL      string          `json:"url"`
		Format   string          `json:"format"`
		State    pointDocument   `json:"state"`
		Asked    *time.Time      `json:"timestamp,omitempty"`
		Next     *pointDocument  `json:"next,omitempty"`
		Notes    []string        `json:"notes"`
		Tables   []tableDocument `json:"tables"`
		Requests int64           `json:"requests"`
		Bytes    int64           `json:"bytes"`
	}
	tableDocument struct {
		Type  string  `json:"type"`
		Name  string  `json:"name"`
		Table *string `json:"table,omitempty"`
		Rows  *int64  `json:"rows,omitempty"`
		Bytes *int64  `json:"bytes,omitempty"`
	}
	diffDocument struct {
		From   diffStateDocument `json:"from"`
		To     diffStateDocument `json:"to"`
		Schema []struct {
			Op     string  `json:"op"`
			Type   string  `json:"type"`
			Name   string  `json:"name"`
			Table  *string `json:"table,omitempty"`
			Before *string `json:"before,omitempty"`
			After  *string `json:"after,omitempty"`
		} `json:"schema"`
		Tables []diffTableDocument `json:"tables"`
		Notes  []string            `json:"notes"`
		Pages  struct {
			Changed int64 `json:"changed"`
			Total   int64 `json:"total"`
		} `json:"pages"`
		Requests int64 `json:"requests"`
		Bytes    int64 `json:"bytes"`
	}
	diffStateDocument struct {
		URL    string        `json:"url"`
		Format string        `json:"format"`
		State  pointDocument `json:"state"`
		Notes  []string      `json:"notes"`
	}
	diffTableDocument struct {
		Name     string  `json:"name"`
		Inserted int64   `json:"inserted"`
		Updated  int64   `json:"updated"`
		Deleted  int64   `json:"deleted"`
		Refused  *string `json:"refused,omitempty"`
		Rows     *[]struct {
			Op     string         `json:"op"`
			Key    map[string]any `json:"key"`
			Before map[string]any `json:"before,omitempty"`
			After  map[string]any `json:"after,omitempty"`
		} `json:"rows,omitempty"`
	}
	bisectDocument struct {
		URL        string             `json:"url"`
		Format     string             `json:"format"`
		From       answerDocument     `json:"from"`
		To         answerDocument     `json:"to"`
		Same       bool               `json:"same"`
		Moments    int                `json:"moments"`
		Asked      int                `json:"asked"`
		Boundaries []boundaryDocument `json:"boundaries"`
		Requests   int64              `json:"requests"`
		Bytes      int64              `json:"bytes"`
	}
	logDocument struct {
		URL      string          `json:"url"`
		Moments  []entryDocument `json:"moments"`
		More     bool            `json:"more"`
		Problems []problemDoc    `json:"problems"`
		Requests int64           `json:"requests"`
		Bytes    int64           `json:"bytes"`
	}
	entryDocument struct {
		State        pointDocument         `json:"state"`
		Size         int64                 `json:"size"`
		Stored       int64                 `json:"stored"`
		Pages        int                   `json:"pages"`
		Whole        bool                  `json:"whole"`
		Transactions *transactionsDocument `json:"transactions,omitempty"`
		Schema       bool                  `json:"schema"`
		Tables       []touchedDocument     `json:"tables"`
	}
	touchedDocument struct {
		Name     string `json:"name"`
		Pages    int    `json:"pages"`
		Inserted *int64 `json:"inserted,omitempty"`
		Updated  *int64 `json:"updated,omitempty"`
		Deleted  *int64 `json:"deleted,omitempty"`
	}
	rowHistoryDocument struct {
		URL      string             `json:"url"`
		Table    string             `json:"table"`
		Key      []json.RawMessage  `json:"key"`
		States   []rowStateDocument `json:"states"`
		More     bool               `json:"more"`
		Problems []problemDoc       `json:"problems"`
		Requests int64              `json:"requests"`
		Bytes    int64              `json:"bytes"`
	}
	rowStateDocument struct {
		Since   pointDocument     `json:"since"`
		Op      *string           `json:"op,omitempty"`
		Columns []string          `json:"columns,omitempty"`
		Values  []json.RawMessage `json:"values,omitempty"`
	}
	boundaryDocument struct {
		Before       answerDocument        `json:"before"`
		After        answerDocument        `json:"after"`
		Transactions *transactionsDocument `json:"transactions,omitempty"`
	}
	transactionsDocument struct {
		Min string `json:"min_txid"`
		Max string `json:"max_txid"`
	}
	answerDocument struct {
		State pointDocument   `json:"state"`
		Value json.RawMessage `json:"value,omitempty"`
		Holds *bool           `json:"holds,omitempty"`
		Error *string         `json:"error,omitempty"`
	}
	snapshotFileDocument struct {
		URL             string           `json:"url"`
		TXID            string           `json:"txid"`
		CreatedAt       time.Time        `json:"created_at"`
		Objects         []objectDocument `json:"objects"`
		PageSize        int64            `json:"page_size"`
		Pages           int64            `json:"pages"`
		LeaseGeneration *int64           `json:"lease_generation,omitempty"`
	}
	copyDocument struct {
		From            string       `json:"from"`
		To              string       `json:"to"`
		Objects         int          `json:"objects"`
		Bytes           int64        `json:"bytes"`
		Present         int          `json:"present"`
		Copied          int          `json:"copied"`
		CopiedBytes     int64        `json:"copied_bytes"`
		Seconds         float64      `json:"seconds"`
		Problems        []problemDoc `json:"problems"`
		LeaseGeneration *int64       `json:"lease_generation,omitempty"`
	}
	pruneDocument struct {
		URL             string           `json:"url"`
		Deleted         bool             `json:"deleted"`
		Since           time.Time        `json:"since"`
		KeepSnapshots   int              `json:"keep_snapshots"`
		Objects         []objectDocument `json:"objects"`
		Bytes           int64            `json:"bytes"`
		Kept            int              `json:"kept"`
		KeptBytes       int64            `json:"kept_bytes"`
		Before          []windowDocument `json:"restorable_before"`
		Restorable      []windowDocument `json:"restorable"`
		LeaseGeneration *int64           `json:"lease_generation,omitempty"`
	}
	windowDocument struct {
		Format     string     `json:"format"`
		From       *time.Time `json:"from"`
		To         *time.Time `json:"to"`
		MinTXID    *string    `json:"min_txid,omitempty"`
		MaxTXID    *string    `json:"max_txid,omitempty"`
		Generation *string    `json:"generation,omitempty"`
	}
	checkDocument struct {
		OK         bool             `json:"ok"`
		URL        string           `json:"url"`
		Formats    []string         `json:"formats"`
		Objects    int              `json:"objects"`
		Bytes      int64            `json:"bytes"`
		Verified   int              `json:"verified"`
		Restored   int              `json:"restored"`
		Problems   []problemDoc     `json:"problems"`
		Restorable []windowDocument `json:"restorable"`
		Against    *againstDocument `json:"against,omitempty"`
		Error      string           `json:"error,omitempty"`
	}
	againstDocument struct {
		Database  string `json:"database"`
		Identical bool   `json:"identical"`
		Different int64  `json:"different"`
		Total     int64  `json:"total"`
		Pages     string `json:"pages,omitempty"`
	}
	migrationDoc struct {
		Source          string        `json:"source"`
		Destination     string        `json:"destination"`
		Migrated        bool          `json:"migrated"`
		History         bool          `json:"history"`
		States          int           `json:"states"`
		From            pointDocument `json:"from"`
		To              pointDocument `json:"to"`
		TXID            string        `json:"txid"`
		Files           int           `json:"files"`
		Kept            int           `json:"kept"`
		Bytes           int64         `json:"bytes"`
		LeaseGeneration int64         `json:"lease_generation"`
	}
	recordDoc struct { // one of key and key_base64, one of value and value_base64
		Key         *string `json:"key,omitempty"`
		KeyBase64   *string `json:"key_base64,omitempty"`
		Version     int64   `json:"version"`
		Lease       *int64  `json:"lease,omitempty"`
		Value       *string `json:"value,omitempty"`
		ValueBase64 *string `json:"value_base64,omitempty"`
	}
	changeDoc struct { // of a record; where there is none, the key and gone alone
		recordDoc
		Version *int64 `json:"version,omitempty"`
		Gone    bool   `json:"gone"`
	}
	snapshotInfoDoc struct {
		Collection string    `json:"collection"`
		Version    string    `json:"version"`
		Status     string    `json:"status"`
		CreatedAt  time.Time `json:"created_at"`
	}
	snapshotContentDoc struct { // one of content and content_base64
		snapshotInfoDoc
		Content       *string `json:"content,omitempty"`
		ContentBase64 *string `json:"content_base64,omitempty"`
	}
	configChangeDoc struct {
		snapshotInfoDoc
		LockGeneration *int64 `json:"lock_generation,omitempty"`
	}
	collectionDoc struct {
		Collection string  `json:"collection"`
		Active     *string `json:"active,omitempty"`
		Snapshots  int     `json:"snapshots"`
	}
	activeDoc struct {
		Collection string  `json:"collection"`
		Version    *string `json:"version,omitempty"`
		Active     bool    `json:"active"`
	}
	configGCDoc struct {
		Before         time.Time         `json:"before"`
		Deleted        bool              `json:"deleted"`
		Snapshots      []snapshotInfoDoc `json:"snapshots"`
		LockGeneration *int64            `json:"lock_generation,omitempty"`
	}
	nodeDoc struct {
		Address string  `json:"address"`
		ID      *string `json:"id,omitempty"`
		State   *string `json:"state,omitempty"`
		Voter   bool    `json:"voter"`
		Leader  *string `json:"leader,omitempty"`
		Term    uint64  `json:"term"`
		Commit  uint64  `json:"commit"`
		Applied uint64  `json:"applied"`
		Records int     `json:"records"`
		Error   *string `json:"error,omitempty"`
	}
	recordInfoDoc struct {
		Key    string  `json:"key"`
		Bytes  int64   `json:"bytes"`
		Format *string `json:"format,omitempty"`
	}
	recordsCopyDoc struct {
		From        string   `json:"from"`
		To          string   `json:"to"`
		Records     int      `json:"records"`
		Bytes       int64    `json:"bytes"`
		Present     int      `json:"present"`
		Copied      int      `json:"copied"`
		CopiedBytes int64    `json:"copied_bytes"`
		Removed     int      `json:"removed"`
		Rounds      int      `json:"rounds"`
		Held        []string `json:"held"`
		Seconds     float64  `json:"seconds"`
	}
	versionDoc struct {
		Version string `json:"version"`
		Go      string `json:"go"`
		OS      string `json:"os"`
		Arch    string `json:"arch"`
	}
)
