package file

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"path/filepath"

	"github.com/replctl/replicate"
	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/ltx"
	"github.com/replctl/replicate/replica"
)

// ReplicaClientType is the engine's name, and the scheme of its URLs.
const ReplicaClientType = "file"

// ReplicaClient reads and writes a replica in a directory, in Litestream's
// layout: LTX files below ltx/, v0.3.x backups below generations/. Its methods
// are those of replicate.ReplicaClient and replicate.ReplicaClientV3.
type ReplicaClient struct {
	*replica.Client
	path string

	// FileMode and DirMode are the permissions, before the umask, of new files
	// and directories. Zero means DefaultFileMode and DefaultDirMode. They are
	// read when the client is first used.
	FileMode fs.FileMode
	DirMode  fs.FileMode
}

var (
	_ replicate.ReplicaClient   = (*ReplicaClient)(nil)
	_ replicate.ReplicaClientV3 = (*ReplicaClient)(nil)
)

// NewReplicaClient returns a client of the replica in a directory, which need
// not exist before the first write.
func NewReplicaClient(path string) *ReplicaClient {
	c := &ReplicaClient{path: path}
	c.Client = replica.NewClient(ReplicaClientType, ltx.LayoutFile, c.open)
	return c
}

// NewReplicaClientFromURL returns a client for the parts of a file URL, as
// replicate.ParseURL gives them. The result is a *ReplicaClient.
func NewReplicaClientFromURL(scheme, host, urlPath string, query url.Values,
	userinfo *url.Userinfo) (replicate.ReplicaClient, error) {
	switch {
	case scheme != "" && scheme != ReplicaClientType:
		return nil, fmt.Errorf("file replica: url scheme %q, want %q", scheme, ReplicaClientType)
	case host != "" && host != "localhost":
		return nil, fmt.Errorf("file replica: url names host %q: write file:///path, with three slashes", host)
	case userinfo != nil:
		return nil, errors.New("file replica: a directory takes no credentials")
	case len(query) > 0:
		return nil, errors.New("file replica: a directory takes no parameters: a ? that belongs to its name is %3F in a url")
	case urlPath == "":
		return nil, errors.New("file replica: path required")
	}
	return NewReplicaClient(filepath.FromSlash(urlPath)), nil
}

func (c *ReplicaClient) open(context.Context) (blob.Store, error) {
	if c.path == "" {
		return nil, errors.New("file replica: path required")
	}
	return NewStore(c.path, Options{FileMode: c.FileMode, DirMode: c.DirMode}), nil
}

// Path is the replica's directory.
func (c *ReplicaClient) Path() string { return c.path }

// LTXLevelDir is the directory of a level, in the layout for directories.
func (c *ReplicaClient) LTXLevelDir(level int) string {
	return filepath.Join(c.path, filepath.FromSlash(ltx.LayoutFile.LevelPrefix(level)))
}

// LTXFilePath is the path of an LTX file, in the layout for directories.
func (c *ReplicaClient) LTXFilePath(level int, minTXID, maxTXID ltx.TXID) string {
	return filepath.Join(c.path, filepath.FromSlash(ltx.LayoutFile.Key(level, minTXID, maxTXID)))
}
