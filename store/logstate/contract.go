package logstate

// LogStatePersistence is the contract of a witness's storage, as witness
// implementations know it. Package logstatetest tests it. [Store] keeps it on a
// cas.Store. The package comment says what is promised, and which codes errors have.
type LogStatePersistence interface {
	// Init finds out whether the storage can be reached. It may be called any number
	// of times, and need not be called.
	Init() error

	// Logs returns the IDs of the logs that have a checkpoint, in the order of their
	// bytes.
	Logs() ([]string, error)

	// ReadOps returns the operations that read a log's checkpoint. The log need not
	// have one.
	ReadOps(logID string) (LogStateReadOps, error)

	// WriteOps begins a transaction on a log. The log need not have a checkpoint, and
	// others are not kept from anything. The caller calls Close at the end.
	WriteOps(logID string) (LogStateWriteOps, error)
}

// LogStateReadOps reads one log. It is safe for concurrent use.
type LogStateReadOps interface {
	// GetLatest returns the log's checkpoint as it is now. If there is none, the code
	// of the error is NotFound.
	GetLatest() ([]byte, error)
}

// LogStateWriteOps is a transaction on one log: at most one Set, on the condition that
// the log is still as it was when the transaction first read it. It is safe for
// concurrent use.
type LogStateWriteOps interface {
	// GetLatest returns the log's checkpoint as it was when this transaction first
	// read it. If there was none, the code of the error is NotFound, and Set makes the
	// first one, unless another witness is faster.
	LogStateReadOps

	// Set replaces what GetLatest returned by the new checkpoint, 1 to
	// MaxCheckpointSize bytes. After an attempt the transaction is over. Without a
	// GetLatest before, Set reads first, and replaces whatever is there.
	//
	// If another witness has set a checkpoint since, the code of the error is Aborted:
	// nothing was written or will be, and the caller starts over with a new
	// transaction. An error that is cas.ErrIndeterminate leaves open whether the
	// checkpoint was written.
	Set(checkpoint []byte) error

	// Close ends the transaction. Without a Set before, nothing has changed. It may be
	// called more than once.
	Close() error
}

// LogStateUpdater is the newer shape of the contract, with the same promises.
type LogStateUpdater interface {
	// Init is that of [LogStatePersistence].
	Init() error

	// Logs is that of [LogStatePersistence].
	Logs() ([]string, error)

	// Latest returns the log's checkpoint as it is now; nil if there is none.
	Latest(logID string) ([]byte, error)

	// Update replaces the log's checkpoint by what f makes of the current one, which
	// is nil if there is none. If another witness is faster, it calls f again with
	// that witness's checkpoint. If f returns an error, nothing changes, and Update
	// returns that error as it is.
	Update(logID string, f func(current []byte) (next []byte, err error)) error
}
