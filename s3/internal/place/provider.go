package place

import (
	"net"
	"net/url"
	"regexp"
	"strings"
)

// Provider is what a store needs done differently. The zero value is right for
// a store that is in no row: path style, signed payloads, a Content-MD5 on
// DeleteObjects, checksums only where S3 requires them and never as a trailer,
// because most stores do not understand aws-chunked bodies (litestream#918,
// #895, #947, opentofu#2605).
type Provider struct {
	Name  string
	hosts []string // endpoints; {x} is one label of the name, {region} is the region

	path        string // of the endpoint, where it has one
	Region      string // what to sign for if nothing else is known
	VirtualHost bool   // bucket in the host name
	SDKDefaults bool   // payload signing and checksums as the SDK has them
	PartSize    int64
	Concurrency int
	EqualParts  bool // all parts but the last must have one size

	Unordered      bool // listings are not in key order
	NoContentMD5   bool
	AcceptEncoding bool // must not be signed: a proxy rewrites it
	BareETags      bool // If-Match wants the ETag without its quotes
	Headers        map[string]string

	// NoCreate is why a create-only write cannot be had: refusing it beats a
	// store that ignores the condition and replaces the object.
	NoCreate string
}

const Amazon = "Amazon S3"

// providers is looked up from the top; the first row with a matching host wins.
var providers = []Provider{
	{
		Name: Amazon,
		// The SDK is at home here: bucket in the host, CRC32 trailers over TLS.
		hosts: []string{
			"s3.{region}.amazonaws.com", "s3-{region}.amazonaws.com", "s3.amazonaws.com",
			"s3.dualstack.{region}.amazonaws.com", "s3.{region}.amazonaws.com.cn",
		},
		VirtualHost: true,
		SDKDefaults: true,
	},
	{
		Name: "Cloudflare R2",
		hosts: []string{"{account}.eu.r2.cloudflarestorage.com", "{account}.fedramp.r2.cloudflarestorage.com",
			"{account}.r2.cloudflarestorage.com"},
		Region: "auto",
		// Two or three parts at a time, else InternalError (litestream#912,
		// #948); parts of one size (R2's limits page).
		Concurrency: 2,
		EqualParts:  true,
	},
	{
		Name:   "Tigris",
		hosts:  []string{"fly.storage.tigris.dev", "t3.storage.dev", "t3.storageapi.dev"},
		Region: "auto",
		// Refuses Content-MD5 (litestream#905, #907) and sheds load with few
		// parts in flight (litestream#1305).
		NoContentMD5: true,
		Concurrency:  2,
		PartSize:     16 << 20,
		// Reads from another region are stale without it (Tigris on
		// consistency; litestream 64cb695).
		Headers: map[string]string{"X-Tigris-Consistent": "true"},
	},
	{
		Name:   "Google Cloud Storage",
		hosts:  []string{"storage.googleapis.com", "storage.{region}.rep.googleapis.com"},
		Region: "auto",
		// Its front end rewrites Accept-Encoding: SignatureDoesNotMatch
		// (litestream#1394).
		AcceptEncoding: true,
		// Conditions on PUT are dropped without a word, 200 OK (GCS: "apply to
		// requests that retrieve data"; firnflow and celld measured it).
		NoCreate: "Google Cloud Storage ignores If-None-Match on its S3 interface",
	},
	{
		Name:  "Backblaze B2",
		hosts: []string{"s3.{region}.backblazeb2.com"},
		// Path style and signed payloads (litestream#918, #894). Conditions are
		// answered 501 (terraform#37143).
		NoCreate: "Backblaze B2 does not implement conditional writes",
	},
	{
		Name:  "Hetzner",
		hosts: []string{"{region}.your-objectstorage.com"},
		// Sends quoted ETags and takes bare ones only (litestream#1509).
		BareETags: true,
	},
	{
		Name:  "DigitalOcean Spaces",
		hosts: []string{"{region}.digitaloceanspaces.com"},
		// As Hetzner (slatedb#1818, confirmed by the vendor).
		BareETags: true,
	},
	{
		Name: "Oracle OCI",
		// DeleteObjects needs Content-MD5 (litestream#802), which is the
		// default here. Conditions are ignored (zeropg's survey).
		hosts: []string{"{namespace}.compat.objectstorage.{region}.oraclecloud.com",
			"{namespace}.compat.objectstorage.{region}.oci.customer-oci.com"},
		NoCreate: "Oracle's S3 interface ignores If-None-Match",
	},
	{
		Name:     "Supabase",
		path:     "/storage/v1/s3",
		hosts:    []string{"{project}.supabase.co", "{project}.storage.supabase.co"},
		NoCreate: "Supabase does not implement conditional writes", // zeropg's survey
	},
	{
		Name: "Storj",
		// Listings go by encrypted names (Storj on its gateway's limits).
		hosts:     []string{"gateway.storjshare.io", "gateway.{region}.storjshare.io"},
		Unordered: true,
	},
	// Nothing but a host of their own, so that bucket.host is understood.
	// Scaleway answers MissingContentLength, Filebase and Neon
	// SignatureDoesNotMatch to what the SDK sends AWS
	// (litestream, docs/PROVIDER_COMPATIBILITY.md).
	{Name: "Scaleway", hosts: []string{"s3.{region}.scw.cloud"}},
	{Name: "Filebase", hosts: []string{"s3.filebase.com"}},
	{Name: "Neon", hosts: []string{"{branch}.storage.{cell}.{region}.{cloud}.neon.tech"}},
}

// hostPatterns are the compiled providers[i].hosts: group "bucket" is what
// stands before the endpoint's name, "host" that name, "region" the region.
var hostPatterns = func() [][]*regexp.Regexp {
	label := regexp.MustCompile(`\\\{(\w+)\\\}`)
	all := make([][]*regexp.Regexp, len(providers))
	for i, p := range providers {
		for _, host := range p.hosts {
			pattern := label.ReplaceAllString(regexp.QuoteMeta(host), `(?P<$1>[^.]+)`)
			all[i] = append(all[i], regexp.MustCompile(`^(?:(?P<bucket>.+)\.)?(?P<host>`+pattern+`)$`))
		}
	}
	return all
}()

// hostMatch is a host name taken apart.
type hostMatch struct {
	provider             Provider
	bucket, host, region string
}

func matchHost(host string) (hostMatch, bool) {
	for i, patterns := range hostPatterns {
		for _, re := range patterns {
			if m := re.FindStringSubmatch(host); m != nil {
				found := hostMatch{provider: providers[i], bucket: m[re.SubexpIndex("bucket")], host: m[re.SubexpIndex("host")]}
				if r := re.SubexpIndex("region"); r >= 0 {
					found.region = m[r]
				}
				return found, true
			}
		}
	}
	return hostMatch{}, false
}

// lookupProvider returns the row of an endpoint, and the region in its name.
func lookupProvider(endpoint string) (p Provider, region string) {
	if endpoint == "" {
		return providers[0], ""
	}
	u, err := url.Parse(endpoint)
	if err != nil {
		return Provider{}, ""
	}
	m, _ := matchHost(strings.TrimSuffix(u.Hostname(), "."))
	return m.provider, m.region
}

// IsPrivateHost reports whether a host is on this machine or a private network,
// where plain HTTP is what people mean.
func IsPrivateHost(host string) bool {
	if ip := net.ParseIP(host); ip != nil {
		return ip.IsLoopback() || ip.IsPrivate() || ip.IsLinkLocalUnicast()
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || strings.HasSuffix(host, ".local")
}
