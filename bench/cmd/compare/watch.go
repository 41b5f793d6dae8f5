package main

import (
	"runtime"
	"runtime/metrics"
	"sync"
	"sync/atomic"
	"time"

	"github.com/replctl/replicate/bench/internal/proxy"
)

// sampleEvery is how often the heap is looked at for its peak.
const sampleEvery = time.Millisecond

// watch adds up what the repetitions of one side cost in one round.
type watch struct {
	reps     int
	took     time.Duration
	longest  time.Duration
	cpu      time.Duration // of this process
	allocs   uint64        // bytes
	peak     uint64        // bytes of heap over what there was at the start
	requests requests      // by operation; of the counted run only

	counter  *proxy.Proxy // nil in a timed round
	began    time.Time
	cpuBegan time.Duration
	mem      runtime.MemStats

	base    atomic.Uint64
	running atomic.Bool
	mu      sync.Mutex // over peak
	stop    chan struct{}
	sampler sync.WaitGroup
}

// newWatch returns a watch whose heap sampling goes on until end.
func newWatch(c *proxy.Proxy) *watch {
	runtime.GC()
	w := &watch{counter: c, stop: make(chan struct{})}
	w.sampler.Go(w.sample)
	return w
}

func (w *watch) end() {
	close(w.stop)
	w.sampler.Wait()
}

// Start begins a repetition.
func (w *watch) Start() {
	if w.counter != nil {
		w.counter.Take()
	}
	runtime.ReadMemStats(&w.mem)
	w.base.Store(heapBytes())
	w.running.Store(true)
	w.cpuBegan, w.began = cpuTime(), time.Now()
}

// Stop ends it.
func (w *watch) Stop() {
	took := time.Since(w.began)
	w.cpu += cpuTime() - w.cpuBegan
	w.took, w.longest = w.took+took, max(w.longest, took)
	w.look()
	w.running.Store(false)
	before := w.mem.TotalAlloc
	runtime.ReadMemStats(&w.mem)
	w.allocs += w.mem.TotalAlloc - before
	w.reps++
	if w.counter != nil {
		w.requests = requestsOf(w.counter.Take())
	}
}

func (w *watch) sample() {
	tick := time.NewTicker(sampleEvery)
	defer tick.Stop()
	for {
		select {
		case <-w.stop:
			return
		case <-tick.C:
			if w.running.Load() {
				w.look()
			}
		}
	}
}

func (w *watch) look() {
	heap, base := heapBytes(), w.base.Load()
	if heap <= base {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.peak = max(w.peak, heap-base)
}

// heapBytes is what objects occupy, dead ones not yet swept among them.
func heapBytes() uint64 {
	s := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}
