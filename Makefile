# The commands a developer types; .ci/run is what has to pass.
.PHONY: build test race lint fuzz generate testdata ci

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

generate:
	go generate ./...

# Writes testdata anew with the real Litestream; takes a few minutes.
testdata:
	bash testdata/make.sh

ci:
	bash .ci/run
