package ltx

import "testing"

func TestCheckFollows(t *testing.T) {
	wal := func(txid TXID, salt uint32, offset, size int64) Header {
		return Header{Flags: HeaderFlagNoChecksum, MinTXID: txid, MaxTXID: txid, WALSalt1: salt, WALSalt2: 9,
			WALOffset: offset, WALSize: size}
	}
	sums := func(txid TXID, pre Checksum) Header {
		return Header{MinTXID: txid, MaxTXID: txid, PreApplyChecksum: pre}
	}
	for name, test := range map[string]struct {
		before Header
		post   Checksum
		after  Header
		ok     bool
	}{
		"goes on":                {wal(1, 5, 32, 4120), 0, wal(2, 5, 4152, 8240), true},
		"a new WAL":              {wal(1, 5, 32, 4120), 0, wal(2, 6, 32, 4120), true},
		"the WAL from its start": {wal(1, 5, 4152, 4120), 0, wal(2, 5, 32, 4120), true},
		"the middle of another":  {wal(1, 5, 32, 4120), 0, wal(2, 6, 4152, 4120), false},
		"not where it ended":     {wal(1, 5, 32, 4120), 0, wal(2, 5, 8272, 4120), false},
		"not the next":           {wal(1, 5, 32, 4120), 0, wal(3, 6, 4152, 4120), true},
		"compacted, tells nothing": {wal(1, 5, 32, 4120), 0, Header{MinTXID: 2, MaxTXID: 4, Flags: HeaderFlagNoChecksum},
			true},
		"the right checksum":  {sums(1, ChecksumFlag), ChecksumFlag | 7, sums(2, ChecksumFlag|7), true},
		"another checksum":    {sums(1, ChecksumFlag), ChecksumFlag | 7, sums(2, ChecksumFlag|8), false},
		"an unknown checksum": {sums(1, ChecksumFlag), 0, sums(2, ChecksumFlag|8), true},
	} {
		if err := CheckFollows(test.before, test.post, test.after); (err == nil) != test.ok {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
