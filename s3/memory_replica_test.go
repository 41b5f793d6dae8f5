package s3

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/replctl/replicate/ltx"
)

const (
	bigFiles    = 4096
	bigFileSize = gigabyte / bigFiles
)

// bigReplica serves a level of 4,096 files, a gigabyte in all, and keeps none of
// it.
func bigReplica(t *testing.T) *ReplicaClient {
	files := make([][]byte, bigFiles+1) // headers, by transaction
	for txid := range files[1:] {
		files[txid+1] = replicaFile(t, ltx.TXID(txid+1))
	}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Has("list-type") {
			bigListing(w, r)
			return
		}
		var txid int
		_, name, _ := strings.Cut(r.URL.Path, "/0000/")
		if _, err := fmt.Sscanf(name, "%16x-", &txid); err != nil || txid < 1 || txid > bigFiles {
			http.NotFound(w, r)
			return
		}
		body := io.MultiReader(strings.NewReader(string(files[txid])), zeros{})
		size := int64(bigFileSize)
		w.Header().Set("ETag", fmt.Sprintf("%q", name))
		if asked := r.Header.Get("Range"); asked != "" {
			size = ltx.HeaderSize // nothing else is asked for in ranges
			w.Header().Set("Content-Range", fmt.Sprintf("bytes 0-%d/%d", size-1, bigFileSize))
			w.Header().Set("Content-Length", fmt.Sprint(size))
			w.WriteHeader(http.StatusPartialContent)
		} else {
			w.Header().Set("Content-Length", fmt.Sprint(size))
		}
		_, _ = io.CopyN(w, body, size)
	}))
	t.Cleanup(srv.Close)
	c := NewReplicaClient()
	c.Bucket, c.Endpoint, c.AccessKeyID, c.SecretAccessKey = "b", srv.URL, "id", "secret"
	return c
}

// bigListing answers for the root and, in pages of 1,000, for the level.
func bigListing(w http.ResponseWriter, r *http.Request) {
	q, first := r.URL.Query(), 1
	if q.Get("prefix") == "" {
		_, _ = io.WriteString(w, "<ListBucketResult><IsTruncated>false</IsTruncated>"+
			"<CommonPrefixes><Prefix>0000/</Prefix></CommonPrefixes></ListBucketResult>")
		return
	}
	_, _ = fmt.Sscanf(q.Get("continuation-token"), "%d", &first)
	next := min(first+1000, bigFiles+1)
	_, _ = fmt.Fprintf(w, "<ListBucketResult><IsTruncated>%t</IsTruncated>"+
		"<NextContinuationToken>%d</NextContinuationToken>", next <= bigFiles, next)
	for txid := first; txid < next; txid++ {
		_, _ = fmt.Fprintf(w, "<Contents><Key>0000/%016x-%016x.ltx</Key><Size>%d</Size></Contents>", txid, txid, bigFileSize)
	}
	_, _ = io.WriteString(w, "</ListBucketResult>")
}

// TestMemoryReplicaFlat: to list a level with true times and to read its files
// meanwhile, a gigabyte, takes no more memory than to do it with a few.
func TestMemoryReplicaFlat(t *testing.T) {
	c := bigReplica(t)
	if err := c.Init(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantHeap(t, "1 GiB in 4,096 files listed and read", 12<<20, func() {
		files, total, err := readAllFiles(t, c)
		if err != nil || files != bigFiles || total != gigabyte {
			t.Errorf("%d files, %d bytes, error %v", files, total, err)
		}
	})
}

func readAllFiles(t *testing.T, c *ReplicaClient) (files int, total int64, err error) {
	itr, err := c.LTXFiles(t.Context(), 0, 0, true)
	if err != nil {
		return 0, 0, err
	}
	for itr.Next() {
		f := itr.Item()
		rc, err := c.OpenLTXFile(t.Context(), 0, f.MinTXID, f.MaxTXID, 0, 0)
		if err != nil {
			return files, total, errors.Join(err, itr.Close())
		}
		n, err := io.Copy(io.Discard, rc)
		files, total = files+1, total+n
		if err = errors.Join(err, rc.Close()); err != nil {
			return files, total, errors.Join(err, itr.Close())
		}
	}
	return files, total, itr.Close()
}
