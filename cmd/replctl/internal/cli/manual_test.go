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

// printed are the commands whose output the manual shows, from the replicas in testdata/.
var printed = map[string][][]string{
	"replctl diff": {
		{"diff", "testdata/v0.5/replica", "--from", "000000000000004b"},
		{"diff", "testdata/v0.5/replica", "--from", "000000000000004b", "--table", "tag", "--rows"},
		{"diff", "testdata/v0.5/replica", "--from", "000000000000004b", "--table", "tag", "--undo"},
	},
	"replctl log": {
		{"log", "testdata/v0.5/replica", "--limit", "4", "--rows"},
		{"log", "testdata/v0.5/replica", "--table", "tag", "--key", "283", "--key", "tag 3"},
	},
	"replctl bisect": {
		{"bisect", "testdata/v0.5/replica", "select count(*) from tag where name = 'tag 3'", "--from", "0000000000000046"},
		{"bisect", "testdata/v0.5/replica", "select count(*) from tag", "--while", "value < 80"},
	},
}

// docs/replctl.md is what --help prints, and what commands print; "go generate" writes it.
func TestManualIsCurrent(t *testing.T) {
	path, err := filepath.Abs(filepath.Join("..", "..", "..", "..", "docs", "replctl.md"))
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(filepath.Dir(testdata(t)))
	want := manual(t)
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
		t.Errorf("what replctl prints (-) and docs/replctl.md (+) differ: go generate ./cmd/replctl\n%s", diff)
	}
}

func manual(t *testing.T) string {
	root := newRootCommand(&app{})
	var b strings.Builder
	b.WriteString("# replctl\n\n" +
		"<!-- Made by go generate ./cmd/replctl from the help, and from what commands print. -->\n\n")
	fmt.Fprintf(&b, "%s\n\n", root.Long)
	b.WriteString("| command | |\n|---|---|\n")
	commands := slices.DeleteFunc(root.Commands(), func(cmd *cobra.Command) bool { return cmd.Hidden })
	for _, cmd := range commands {
		fmt.Fprintf(&b, "| [`%s`](#replctl-%s) | %s |\n", cmd.Use, cmd.Name(), cmd.Short)
	}
	b.WriteString("\nThe JSON that `--json` prints is described in [json.md](json.md).\n")
	for _, cmd := range commands {
		writeManual(t, &b, cmd)
		if cmd.Name() != "completion" { // whose commands are cobra's
			for _, sub := range cmd.Commands() {
				writeManual(t, &b, sub)
			}
		}
	}
	return b.String()
}

func writeManual(t *testing.T, b *strings.Builder, cmd *cobra.Command) {
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
	for i, args := range printed[cmd.CommandPath()] {
		if i == 0 {
			b.WriteString("\nWhat it prints of a replica that is in the repository:\n")
		}
		code, stdout, stderr := replctl(t, args...)
		if code != exitOK || stdout == "" {
			t.Fatalf("%q: exit code %d: %s", args, code, stderr)
		}
		fmt.Fprintf(b, "\n```console\n$ replctl %s\n%s```\n", shellwords(args), stdout)
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

// shellwords are arguments as one types them in a shell.
func shellwords(args []string) string {
	words := slices.Clone(args)
	for i, word := range words {
		if strings.ContainsAny(word, " '<*") {
			words[i] = `"` + word + `"`
		}
	}
	return strings.Join(words, " ")
}
