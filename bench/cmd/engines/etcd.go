package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"
)

// openEtcd starts a cluster of etcd in this process, with its default settings, and opens a client of it.
func openEtcd(dir string, members int) (_ *etcdSide, err error) {
	s := &etcdSide{}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	peers := make([]url.URL, members)
	var cluster []string
	for i := range peers {
		address, err := freeAddress()
		if err != nil {
			return nil, err
		}
		peers[i] = url.URL{Scheme: "http", Host: address}
		cluster = append(cluster, fmt.Sprintf("m%d=%s", i, &peers[i]))
	}
	var endpoints []string
	for i, peer := range peers {
		cfg := embed.NewConfig()
		cfg.Name, cfg.Dir, cfg.LogLevel = fmt.Sprint("m", i), filepath.Join(dir, fmt.Sprint(i)), "fatal"
		cfg.ListenClientUrls = []url.URL{{Scheme: "http", Host: "127.0.0.1:0"}}
		cfg.AdvertiseClientUrls = cfg.ListenClientUrls
		cfg.ListenPeerUrls, cfg.AdvertisePeerUrls = []url.URL{peer}, []url.URL{peer}
		cfg.InitialCluster = strings.Join(cluster, ",")
		server, err := embed.StartEtcd(cfg)
		if err != nil {
			return nil, err
		}
		s.servers = append(s.servers, server)
		endpoints = append(endpoints, server.Clients[0].Addr().String())
	}
	for _, server := range s.servers {
		select {
		case <-server.Server.ReadyNotify():
		case <-time.After(time.Minute):
			return nil, errors.New("etcd does not start")
		}
	}
	s.api, err = clientv3.New(clientv3.Config{Endpoints: endpoints})
	return s, err
}

// freeAddress is one of loopback where nobody listens now.
func freeAddress() (string, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return ln.Addr().String(), ln.Close()
}

// etcdSide is a cluster of etcd in this process, and its own client.
type etcdSide struct {
	servers []*embed.Etcd
	api     *clientv3.Client
}

func (s *etcdSide) close() {
	if s.api != nil {
		s.api.Close()
	}
	for _, server := range s.servers {
		server.Close()
	}
}

func (s *etcdSide) title() string {
	if len(s.servers) == 1 {
		return "etcd, one member"
	}
	return fmt.Sprintf("etcd, %d members", len(s.servers))
}

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
