package raft

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// ClientFromURL returns the settings of a client of the cluster at a URL, whose parts replicate.ParseURL
// gives. It reads the files of certificates, and contacts nobody.
//
//	raft://h1:7420,h2:7420,h3:7420/prefix?tls-ca=ca.pem&tls-cert=client.pem&tls-key=client-key.pem
//
// The hosts are nodes of one cluster. The keys of the records begin with the path.
func ClientFromURL(host, urlPath string, query url.Values, userinfo *url.Userinfo) (cfg ClientConfig, err error) {
	if userinfo != nil {
		return cfg, errors.New("raft url: there are no users: certificates say who may connect")
	}
	if cfg.Addresses = strings.Split(host, ","); host == "" {
		return cfg, errors.New("raft url: want raft://HOST:PORT,HOST:PORT/PREFIX")
	}
	if urlPath = strings.Trim(urlPath, "/"); urlPath != "" && urlPath != "." {
		cfg.Prefix = urlPath + "/"
	}
	for name, values := range query {
		if name != "tls-ca" && name != "tls-cert" && name != "tls-key" || len(values) != 1 {
			return cfg, fmt.Errorf("raft url: parameter %q: there are tls-ca, tls-cert and tls-key, each once", name)
		}
	}
	cfg.TLS, err = OptionalTLS(query.Get("tls-cert"), query.Get("tls-key"), query.Get("tls-ca"))
	if err != nil {
		return cfg, fmt.Errorf("raft url: %w", err)
	}
	return cfg, cfg.check()
}
