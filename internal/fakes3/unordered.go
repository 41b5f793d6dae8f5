package fakes3

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
)

var (
	listEntry    = regexp.MustCompile(`(?s)<(Contents|CommonPrefixes)>.*?</(Contents|CommonPrefixes)>`)
	listName     = regexp.MustCompile(`<(?:Key|Prefix)>([^<]*)</`)
	listPosition = regexp.MustCompile(`<(IsTruncated|NextContinuationToken|KeyCount|MaxKeys)>[^<]*` +
		`</(IsTruncated|NextContinuationToken|KeyCount|MaxKeys)>`)
)

// Unordered lists in an order of its own, that of the names' hashes, in which a
// start-after means a place too: so do gateways that encrypt names. It is for up to
// 1,000 names, in pages of size.
func Unordered(size int) Fault {
	return func(w http.ResponseWriter, c *Call) {
		after, token := c.Query.Get("start-after"), c.Query.Get("continuation-token")
		if most, err := strconv.Atoi(c.Query.Get("max-keys")); err == nil {
			size = min(size, most)
		}
		for _, parameter := range []string{"start-after", "continuation-token", "max-keys"} {
			c.Forget(parameter)
		}
		a := c.Apply()
		entries := listEntry.FindAll(a.Body, -1)
		slices.SortFunc(entries, func(a, b []byte) int { return bytes.Compare(place(nameIn(a)), place(nameIn(b))) })
		from, _ := strconv.Atoi(token)
		for ; token == "" && after != "" && from < len(entries); from++ {
			if bytes.Compare(place(nameIn(entries[from])), place(after)) > 0 {
				break
			}
		}
		to := min(len(entries), from+size)
		page := fmt.Sprintf("<IsTruncated>%t</IsTruncated>", to < len(entries))
		if to < len(entries) {
			page += fmt.Sprintf("<NextContinuationToken>%d</NextContinuationToken>", to)
		}
		body := listPosition.ReplaceAll(listEntry.ReplaceAll(a.Body, nil), nil)
		page += string(bytes.Join(entries[from:to], nil)) + "</ListBucketResult>"
		a.Body = bytes.Replace(body, []byte("</ListBucketResult>"), []byte(page), 1)
		a.Header.Del("Content-Length")
		a.send(w)
	}
}

func nameIn(entry []byte) string {
	if m := listName.FindSubmatch(entry); m != nil {
		return string(m[1])
	}
	return ""
}

func place(name string) []byte {
	sum := sha256.Sum256([]byte(name))
	return sum[:]
}
