// Package replicatest is the contracts of package replicate as tests, for any
// engine, ours or a third party's. An engine's test file stays about thirty lines
// long:
//
//	func TestReplicaClient(t *testing.T) {
//		replicatest.RunReplicaClient(t, func(t *testing.T) replicatest.Replica {
//			dir := t.TempDir()
//			return replicatest.Replica{
//				Open: func() replicate.ReplicaClient { return file.NewReplicaClient(dir) },
//				Put:  func(key string, data []byte) error { ... },
//				Keys: func() ([]string, error) { ... },
//			}
//		})
//	}
package replicatest
