package cli

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
)

var update = flag.Bool("update", false, "write docs/replctl.md anew")

// docs/replctl.md is what --help prints; "go generate" writes it.
func TestManualIsCurrent(t *testing.T) {
	path := filepath.Join("..", "..", "..", "..", "docs", "replctl.md")
	want := manual()
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, strings.ReplaceAll(string(got), "\r\n", "\n")); diff != "" {
		t.Errorf("the help (-) and docs/replctl.md (+) differ: go generate ./cmd/replctl\n%s", diff)
	}
}

func manual() string {
	root := newRootCommand(&app{})
	var b strings.Builder
	fmt.Fprintf(&b, "# replctl\n\n<!-- Made from the help by go generate ./cmd/replctl. -->\n\n%s\n\n", root.Long)
	b.WriteString("| command | |\n|---|---|\n")
	commands := slices.DeleteFunc(root.Commands(), func(cmd *cobra.Command) bool { return cmd.Hidden })
	for _, cmd := range commands {
		fmt.Fprintf(&b, "| [`%s`](#replctl-%s) | %s |\n", cmd.Use, cmd.Name(), cmd.Short)
	}
	b.WriteString("\nThe JSON that `--json` prints is described in [json.md](json.md).\n")
	for _, cmd := range commands {
		writeManual(&b, cmd)
		if cmd.Name() != "completion" { // whose commands are cobra's
			for _, sub := range cmd.Commands() {
				writeManual(&b, sub)
			}
		}
	}
	return b.String()
}

func writeManual(b *strings.Builder, cmd *cobra.Command) {
	cmd.InitDefaultHelpFlag()
	text := strings.TrimSpace(cmd.Long)
	if text == "" {
		text = cmd.Short + "."
	}
	fmt.Fprintf(b, "\n## %s\n\n%s\n\n```\n%s\n\n%s```\n", cmd.CommandPath(), text, cmd.UseLine(),
		cmd.LocalFlags().FlagUsages())
	if cmd.Example != "" {
		fmt.Fprintf(b, "\nFor example:\n\n```sh\n%s\n```\n", strings.ReplaceAll(strings.TrimSpace(cmd.Example), "\n  ", "\n"))
	}
	if names := subcommands(cmd); len(names) > 0 {
		fmt.Fprintf(b, "\nIts own commands: %s.\n", strings.Join(names, ", "))
	}
}

func subcommands(cmd *cobra.Command) (names []string) {
	for _, sub := range cmd.Commands() {
		names = append(names, "`"+sub.CommandPath()+"`")
	}
	return names
}
