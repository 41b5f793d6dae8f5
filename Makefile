# The commands a developer types; .ci/run is what has to pass.
.PHONY: build test race lint fuzz faults powerloss pgtorture rafttorture fleet damage histories generate testdata ci

build:
	go build -trimpath -ldflags '-s -w' -o bin/replctl ./cmd/replctl

test:
	go test ./...

race:
	go test -race ./...

lint:
	golangci-lint run ./...

# One target for longer: make fuzz PKG=./ltx TARGET=FuzzVerify TIME=5m
TIME ?= 1m
fuzz:
	go test -run '^$$' -fuzz '^$(TARGET)$$' -fuzztime $(TIME) $(PKG)

# Every request of every operation fails once in each way, and docs/faults.md says what came of it; takes long.
faults:
	rm -f faults.log
	REPLCTL_FAULTS=all REPLCTL_FAULTS_LOG=$(CURDIR)/faults.log go test -tags faults -count=1 -timeout 8h -parallel 24 \
		-run 'TestEvery' ./internal/faults ./cmd/replctl/internal/cli
	go run -tags faults ./internal/faults/report faults.log > docs/faults.md

# Every state that a power loss may leave, up to a bound; needs strace, takes minutes.
powerloss:
	REPLICATE_POWERLOSS=full go test -tags powerloss -count=1 -timeout 60m -v ./internal/powerloss

# 300 killed backends, 20 kill -9 of PostgreSQL, full disks and network cuts under 16 clients; takes minutes.
pgtorture:
	REPLICATE_PGTORTURE=full go test -tags realservers -count=1 -timeout 60m -v -run TestTorture ./postgres

# 220 rounds of nodes that are killed, cut off, stopped, lose their disks or find them slow, and leave, and 200 of kill -9,
# SIGSTOP and full disks of processes, under 6 clients and the contenders for a lease; takes minutes.
rafttorture:
	REPLICATE_RAFTTORTURE=full go test -count=1 -timeout 60m -v -run Torture ./raft

# What replctl ls says of a bucket on MinIO with 10,000 replicas and 1,000,000 objects.
fleet:
	REPLICATE_FLEET=full go run ./internal/s3servers/run go test -tags realservers -count=1 -timeout 60m -v \
		-run TestLsOfMany ./cmd/replctl/internal/cli

# What check and restore say of 2,000 damaged replicas; go test hurts 200 of them.
damage:
	REPLICATE_DAMAGE=all go test -count=1 -timeout 60m -run TestCheckRandomDamage ./internal/interop/verbs

# What replctl diff says of 200 random histories; go test makes 20 of them.
histories:
	REPLICATE_HISTORIES=all go test -count=1 -timeout 60m -run TestHistories ./replica/diff

generate:
	go generate ./...

# Writes testdata anew with the real Litestream; takes a few minutes.
testdata:
	bash testdata/make.sh

ci:
	bash .ci/run
