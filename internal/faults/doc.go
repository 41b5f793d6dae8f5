// Package faults fails each request of each operation of the library on S3, in each way, and
// judges what comes of it by the same rules. The commands have tests like it of their own, in
// cmd/replctl/internal/cli.
//
// The test runs a sample with a fixed seed, of the share that REPLCTL_FAULTS names: "all",
// "tenth", or a hundredth of the runs of an eighth of the operations if it is not set.
// REPLCTL_FAULTS_OF names one operation. With REPLCTL_FAULTS_LOG each run is a line of that file.
package faults
