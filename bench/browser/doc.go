// Package browser looks at what replctl makes for a browser, in one: the page of a drill. Its tests have
// the build tag browser, and need chromium.
package browser
