//go:build browser

package browser

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// open starts a browser of a width. What it asks the network for, and what it complains of, fails the test.
func open(t *testing.T, width int64, dark bool) context.Context {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		t.Fatal(err)
	}
	opts := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox,
		chromedp.WindowSize(int(width), 900))
	if dark {
		opts = append(opts, chromedp.Flag("blink-settings", "preferredColorScheme=0"))
	}
	ctx, cancel := chromedp.NewExecAllocator(t.Context(), opts...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	ctx, cancel = context.WithTimeout(ctx, 2*time.Minute)
	t.Cleanup(cancel)
	var mu sync.Mutex
	chromedp.ListenTarget(ctx, func(ev any) {
		mu.Lock()
		defer mu.Unlock()
		switch e := ev.(type) {
		case *network.EventRequestWillBeSent:
			if !strings.HasPrefix(e.Request.URL, "file:") && !strings.HasPrefix(e.Request.URL, "data:") {
				t.Errorf("the page asks for %s", e.Request.URL)
			}
		case *runtime.EventExceptionThrown:
			t.Errorf("the page fails: %s", e.ExceptionDetails.Error())
		case *log.EventEntryAdded:
			t.Errorf("the browser says: %s", e.Entry.Text)
		}
	})
	if err := chromedp.Run(ctx, network.Enable(), log.Enable()); err != nil {
		t.Fatal(err)
	}
	return ctx
}

// TestDrillPage: the page of a drill says what passed and what failed, needs nothing else, and fits a
// phone and a desk, in the light and in the dark.
func TestDrillPage(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "replctl")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "./cmd/replctl")
	build.Dir = filepath.Join("..", "..")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	testdata := filepath.Join("..", "..", "testdata")
	drill := exec.CommandContext(t.Context(), binary, "drill", "--seed", "1", "--html",
		"--assert", "select '<b>' < 'a' or 1", filepath.Join(testdata, "v0.5", "replica"),
		filepath.Join(testdata, "damaged", "ltx-gap", "replica"))
	page, err := drill.Output()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 4 {
		t.Fatalf("drill: %v", err)
	}
	path, err := filepath.Abs(filepath.Join(t.TempDir(), "drill.html"))
	if err == nil {
		err = os.WriteFile(path, page, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	for name, look := range map[string]struct {
		width int64
		dark  bool
	}{"desk": {1280, false}, "phone": {390, false}, "desk, dark": {1280, true}} {
		t.Run(name, func(t *testing.T) {
			ctx := open(t, look.width, look.dark)
			var title, heading, background, text string
			var passed, failed, rows, bold int
			var wide bool
			var shot []byte
			err := chromedp.Run(ctx, chromedp.Navigate("file://"+path), chromedp.WaitVisible("main"),
				chromedp.Title(&title), chromedp.Text("h1", &heading),
				chromedp.Evaluate(`document.querySelectorAll("td.passed, td .passed").length`, &passed),
				chromedp.Evaluate(`document.querySelectorAll(".failed").length`, &failed),
				chromedp.Evaluate(`document.querySelectorAll("tbody tr, table tr:has(td)").length`, &rows),
				chromedp.Evaluate(`document.querySelectorAll("main b").length`, &bold),
				chromedp.Evaluate(`document.documentElement.scrollWidth > document.documentElement.clientWidth`, &wide),
				chromedp.Evaluate(`getComputedStyle(document.body).backgroundColor`, &background),
				chromedp.Evaluate(`document.body.innerText`, &text),
				chromedp.FullScreenshot(&shot, 100))
			if err != nil {
				t.Fatal(err)
			}
			switch {
			case !strings.Contains(title, "failed") || !strings.Contains(heading, "failed"):
				t.Errorf("the title is %q, the heading %q", title, heading)
			case passed == 0 || failed == 0 || rows < 8:
				t.Errorf("%d passed, %d failed, %d rows:\n%s", passed, failed, rows, text)
			case bold > 0:
				t.Error("what was asserted is markup")
			case wide:
				t.Error("the page is wider than the window")
			case look.dark != (background != "rgb(255, 255, 255)"):
				t.Errorf("the background is %s", background)
			case !strings.Contains(text, filepath.Join("damaged", "ltx-gap", "replica")) ||
				!strings.Contains(text, "is in no file"):
				t.Errorf("it does not say what is wrong:\n%s", text)
			case len(shot) < 10_000:
				t.Errorf("a picture of %d bytes", len(shot))
			}
			if dir := os.Getenv("REPLICATE_PICTURES"); dir != "" {
				if err := os.WriteFile(filepath.Join(dir, "drill, "+name+".png"), shot, 0o600); err != nil {
					t.Error(err)
				}
			}
		})
	}
}
