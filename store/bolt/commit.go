package bolt

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall"

	"go.etcd.io/bbolt"
	bbolterrors "go.etcd.io/bbolt/errors"

	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/bolt/kv"
	"github.com/scimbridge/scimbridge/store/bolt/tables"
)

// maxBatch bounds the functions that share a commit, and so the wait of the first of them.
const maxBatch = 1000

// maxWrites is the number of changes after which a commit takes no more functions. bbolt splits a page only
// at the commit: until then it grows with every new key, and each one moves the keys after it.
const maxWrites = 10_000

// job is one Update on its way through the committer.
type job struct {
	ctx  context.Context
	fn   func(store.Tx) error
	done chan struct{} // closed when err and panicked are final

	err      error
	panicked any // raised again in the caller
	kv.Foresight
}

// Update implements store.Store. It returns when the outcome is known, also after the end of ctx: no caller
// can use the answer "perhaps". If no other Update commits, it commits at once on its own goroutine, so a
// single client does not wait. Updates that come meanwhile share the next commit.
func (s *Store) Update(ctx context.Context, fn func(store.Tx) error) error {
	j := &job{ctx: ctx, fn: fn, done: make(chan struct{})}
	err := s.do(j)
	for err == nil && j.Surveying() {
		err = s.again(j)
	}
	if err != nil {
		return err
	}
	return j.err
}

// again runs the function of a job again, after its changes were prepared.
func (s *Store) again(j *job) error {
	done, err := s.prepare(j.ctx, &j.Foresight)
	defer done()
	if err != nil {
		return fmt.Errorf("update: %w", err)
	}
	s.large.Lock()
	defer s.large.Unlock()
	j.done = make(chan struct{})
	return s.do(j)
}

// commitJob is Update without a survey.
func (s *Store) commitJob(ctx context.Context, fn func(store.Tx) error) error {
	j := &job{ctx: ctx, fn: fn, done: make(chan struct{}), Foresight: kv.Foresight{Surveys: kv.MaxSurveys}}
	if err := s.do(j); err != nil {
		return err
	}
	return j.err
}

// do runs a job. An error means that the job was refused.
func (s *Store) do(j *job) error {
	first, err := s.enqueue(j)
	if err != nil {
		return err
	}
	if first {
		s.alone(j)
	}
	<-j.done
	if j.panicked != nil {
		panic(j.panicked)
	}
	return nil
}

// enqueue reports whether the caller is the first and must commit; otherwise another one does.
func (s *Store) enqueue(j *job) (first bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false, fmt.Errorf("update: %w", store.ErrClosed)
	}
	if !s.committing {
		s.committing = true
		return true, nil
	}
	s.queue = append(s.queue, j)
	return false, nil
}

// alone commits one job on the caller's goroutine. A new goroutine commits the jobs queued meanwhile, even
// after runtime.Goexit.
func (s *Store) alone(j *job) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if batch := s.next(); batch != nil {
			go s.commitLoop(batch)
		}
	}()
	s.round([]*job{j}, new([][]*job))
}

// next takes waiting jobs. Without any it returns nil, and the next caller commits.
func (s *Store) next() []*job {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.queue) == 0 {
		s.committing = false
		s.quiet.Broadcast()
		return nil
	}
	n := min(len(s.queue), maxBatch)
	batch := s.queue[:n:n]
	s.queue = s.queue[n:]
	if len(s.queue) == 0 {
		s.queue = nil // free finished jobs
	}
	return batch
}

// commitLoop commits until no job waits. Each round runs on its own goroutine, because a function may end
// its goroutine (t.FailNow does) and must not end the loop.
func (s *Store) commitLoop(batch []*job) {
	for ; batch != nil; batch = s.next() {
		for todo := [][]*job{batch}; len(todo) > 0; {
			var left [][]*job
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				debug.SetPanicOnFault(true)
				s.round(todo[0], &left)
			}()
			<-ended
			todo = append(left, todo[1:]...)
		}
	}
}

// round runs functions in one transaction, commits and answers. No caller gets an answer before the commit,
// not even an error, because the error may result from a write of another function of the round.
//
// A function that failed after a write spoils the transaction. Then the functions before it get a round
// without it, and the rest a round that it begins. If it fails there, that is its answer. So with any number
// of failures no function runs much more than twice. left gets the jobs that remain.
func (s *Store) round(batch []*job, left *[][]*job) {
	if s.poisoned() {
		answer(batch, fmt.Errorf("update: %w", store.ErrPoisoned))
		return
	}
	btx, err := s.db.Begin(true)
	if err != nil {
		answer(batch, fmt.Errorf("update: %w", err))
		return
	}
	t := kv.New(btx)
	t.Part = s.part
	for i, j := range batch {
		if t.Writes > maxWrites {
			*left = [][]*job{batch[i:]}
			batch = batch[:i]
			break
		}
		before := t.Writes
		spoiled := true
		func() {
			defer func() {
				if !spoiled {
					return
				}
				s.rollback(btx)
				if i > 0 {
					*left = [][]*job{batch[:i], batch[i:]}
					return
				}
				if len(batch) > 1 {
					*left = [][]*job{batch[1:]}
				}
				close(j.done)
			}()
			j.run(t)
			spoiled = j.failed() && t.Writes != before
		}()
		if spoiled {
			return
		}
	}
	if t.Writes == 0 {
		s.rollback(btx)
	} else if err := s.commit(btx); err != nil {
		answer(batch, err)
		return
	}
	if t.Loosened {
		s.tidyLater()
	}
	for _, j := range batch {
		close(j.done)
	}
}

func answer(batch []*job, err error) {
	for _, j := range batch {
		j.err, j.panicked = err, nil
		close(j.done)
	}
}

func (j *job) failed() bool { return j.err != nil || j.panicked != nil }

// run leaves the outcome in the job.
func (j *job) run(t *kv.Tx) {
	j.err, j.panicked, t.Err = errors.New("update: the function ended its goroutine"), nil, nil
	j.Begin()
	t.Plan = &j.Foresight
	defer func() {
		t.Plan = nil
		if j.Surveying() && j.panicked == nil {
			j.err = errSurveyed
		}
	}()
	defer func() {
		if p := recover(); p != nil {
			if j.err = asDamage(p); j.err == nil {
				j.panicked = p
			}
		}
	}()
	err := j.ctx.Err()
	if err == nil {
		err = j.fn(tables.New(t))
	}
	if err == nil {
		err = t.Err
	}
	j.err = err
}

// commit makes the transaction durable, or returns ErrFull if nothing was changed. After any other failure
// the state of the disk is unknown, and the store accepts no more changes: after a failed sync the kernel
// drops the pages and the error, and bbolt may show a transaction whose commit failed.
func (s *Store) commit(btx *bbolt.Tx) error {
	id := btx.ID()
	err := s.tryCommit(btx)
	if err == nil {
		return nil
	}
	if isFull(err) {
		if visible, seeErr := s.visible(id); seeErr == nil && !visible {
			return fmt.Errorf("update: %w: %w", store.ErrFull, err)
		}
	}
	s.poison()
	return fmt.Errorf("update: %w: %w", store.ErrPoisoned, err)
}

func (s *Store) tryCommit(btx *bbolt.Tx) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("commit: panic: %v", p)
			s.rollback(btx)
		}
	}()
	commit := (*bbolt.Tx).Commit
	if s.commitHook != nil {
		commit = s.commitHook
	}
	if err := commit(btx); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}

// visible reports whether new transactions see this one.
func (s *Store) visible(id int) (bool, error) {
	now, err := s.db.Begin(false)
	if err != nil {
		return false, fmt.Errorf("look for transaction: %w", err)
	}
	defer s.rollback(now)
	return now.ID() >= id, nil
}

// isFull recognizes the error of a write or truncate on a full disk. The error of a sync is none of these.
// bbolt reports a failed truncate as text only.
func isFull(err error) bool {
	var path *fs.PathError
	isWrite := errors.As(err, &path) && (path.Op == "write" || path.Op == "truncate")
	isResize := strings.Contains(err.Error(), "file resize error")
	for _, no := range []syscall.Errno{syscall.ENOSPC, syscall.EDQUOT, syscall.EFBIG} {
		if isWrite && errors.Is(err, no) || isResize && strings.Contains(err.Error(), no.Error()) {
			return true
		}
	}
	return false
}

// rollback ends a transaction. If it fails, which takes a damaged file, the locks are not released, and Close
// must not wait for them.
func (s *Store) rollback(btx *bbolt.Tx) {
	done := false
	defer func() {
		if p := recover(); p != nil || !done {
			s.wedged.Store(true)
			s.poison()
		}
	}()
	err := btx.Rollback()
	done = err == nil || errors.Is(err, bbolterrors.ErrTxClosed)
}

func (s *Store) poison() { s.failOnce.Do(func() { close(s.failed) }) }

func (s *Store) poisoned() bool {
	select {
	case <-s.failed:
		return true
	default:
		return false
	}
}

// asDamage turns a panic into ErrDamaged if the file is its cause: a fault in the mapped file, or a panic
// inside bbolt, which checks little of the file. It returns nil for other panics. The deferred function that
// recovered must call it.
func asDamage(p any) error {
	if fault, ok := p.(interface{ Addr() uintptr }); ok {
		return fmt.Errorf("fault at address %#x of the mapped file: %w", fault.Addr(), store.ErrDamaged)
	}
	pcs := make([]uintptr, 64)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(1, pcs)])
	panicking := false
	for {
		f, more := frames.Next()
		if panicking && !strings.HasPrefix(f.Function, "runtime.") {
			if strings.HasPrefix(f.Function, "go.etcd.io/bbolt") {
				return fmt.Errorf("bbolt: %v: %w", p, store.ErrDamaged)
			}
			return nil
		}
		panicking = panicking || f.Function == "runtime.gopanic"
		if !more {
			return nil
		}
	}
}
