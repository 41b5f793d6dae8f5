package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"
)

func openEtcd(dir string) (*etcdSide, error) {
	cfg := embed.NewConfig()
	cfg.Dir, cfg.LogLevel = dir, "fatal"
	loopback := []url.URL{{Scheme: "http", Host: "127.0.0.1:0"}}
	cfg.ListenClientUrls, cfg.ListenPeerUrls = loopback, loopback
	server, err := embed.StartEtcd(cfg)
	if err != nil {
		return nil, err
	}
	select {
	case <-server.Server.ReadyNotify():
	case <-time.After(time.Minute):
		server.Close()
		return nil, errors.New("etcd does not start")
	}
	client, err := clientv3.New(clientv3.Config{Endpoints: []string{server.Clients[0].Addr().String()}})
	if err != nil {
		server.Close()
		return nil, err
	}
	return &etcdSide{server, client}, nil
}

// etcdSide is one server of etcd in this process, and its own client.
type etcdSide struct {
	server *embed.Etcd
	api    *clientv3.Client
}

func (s *etcdSide) close() {
	s.api.Close()
	s.server.Close()
}

func (s *etcdSide) title() string { return "etcd" }

func (s *etcdSide) client(ctx context.Context, i int) (get, swap func(context.Context) error, err error) {
	key, value := fmt.Sprint("bench/", i), string(make([]byte, size))
	put, err := s.api.Put(ctx, key, value)
	if err != nil {
		return nil, nil, err
	}
	revision := put.Header.Revision
	swap = func(ctx context.Context) error {
		done, err := s.api.Txn(ctx).If(clientv3.Compare(clientv3.ModRevision(key), "=", revision)).
			Then(clientv3.OpPut(key, value)).Commit()
		switch {
		case err != nil:
			return err
		case !done.Succeeded:
			return errors.New("the record is another one")
		}
		revision = done.Header.Revision
		return nil
	}
	get = func(ctx context.Context) error {
		_, err := s.api.Get(ctx, key)
		return err
	}
	return get, swap, nil
}

func (s *etcdSide) put(ctx context.Context, key, value string) error {
	_, err := s.api.Put(ctx, key, value)
	return err
}

func (s *etcdSide) watch(ctx context.Context, key string, see func(value string)) error {
	now, err := s.api.Get(ctx, key)
	if err != nil {
		return err
	}
	for _, kv := range now.Kvs {
		see(string(kv.Value))
	}
	for changes := range s.api.Watch(ctx, key, clientv3.WithRev(now.Header.Revision+1)) {
		for _, change := range changes.Events {
			see(string(change.Kv.Value))
		}
	}
	return nil
}
