package engines

import (
	"context"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/raft"
	"github.com/replctl/replicate/sqldb"
)

func raftLeaser(p Place, opts Options) (LeaseClient, error) {
	cfg, err := raft.ClientFromURL(p.Host, p.Path, p.Query, p.Userinfo)
	if err != nil {
		return nil, err
	}
	cfg.Logger = opts.Logger
	leaser := sqldb.NewLeaser(raft.LeaserType, func(context.Context) (cas.Store, error) { return raft.Dial(cfg) })
	opts.set(&leaser.Owner, &leaser.TTL, &leaser.MaxTTL, &leaser.MaxSkew)
	return leaser, nil
}
