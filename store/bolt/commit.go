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

// maxBatch bounds how many functions share a commit, and with it how long the first of them waits.
const maxBatch = 1000

// maxWrites is after how many changes a commit takes in no more functions. bbolt splits a page only at the commit: a page that many
// functions add to grows with all of them, and each new key moves what stands behind it.
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

// Update implements store.Store. It does not return before the outcome is known, even when ctx ends: an answer
// "perhaps" is of no use. An Update that comes while no other commits does so at once, on its own goroutine, so
// that a single client does not wait; those that come meanwhile share the next commit.
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

// again runs the function of a job once more, after its changes were prepared.
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

// do runs a job. The error is that it cannot be taken.
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

// enqueue says whether the caller is the first and has to commit; otherwise another one does.
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

// alone commits one job on the caller's goroutine. What has come meanwhile is left to a goroutine of its own, also if
// the function ended this one.
func (s *Store) alone(j *job) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if batch := s.next(); batch != nil {
			go s.commitLoop(batch)
		}
	}()
	s.round([]*job{j}, new([][]*job))
}

// next takes what waits. If nothing does it returns nil, and the next caller commits.
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
		s.queue = nil // let go of what was answered
	}
	return batch
}

// commitLoop commits until nothing waits. Each round runs on a goroutine of its own, because a function may
// end the goroutine it runs on (t.FailNow does) and must not take the others with it.
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

// round runs functions in one transaction, commits and answers. Nobody is answered before the commit, not even
// with an error, because the error may come from something that another function of the round wrote.
//
// A function that failed after it had written spoils the transaction. Those before it, which have shown that they
// can be committed, then have a round without it, and the rest one that it is the first of; when it fails there,
// that is its answer. So however many fail, no function runs much more than twice. What is still to be done is
// put into left.
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

// commit makes the transaction durable, or says with ErrFull that nothing was changed. After any other failure it is not
// known what the disk holds: after a failed sync the kernel has dropped the pages and forgotten the error, and
// bbolt may show a transaction whose commit it reported as failed. Then the store takes no more.
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

// visible says whether the transaction can be seen by those that begin now.
func (s *Store) visible(id int) (bool, error) {
	now, err := s.db.Begin(false)
	if err != nil {
		return false, fmt.Errorf("look for transaction: %w", err)
	}
	defer s.rollback(now)
	return now.ID() >= id, nil
}

// isFull recognizes what a write or truncate says when there is no room. A sync that says so is not among them.
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

// rollback ends a transaction. If even that fails, which takes a damaged file, its locks are not released and
// Close must not wait for them.
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

// asDamage turns a panic into ErrDamaged if the file is its cause: a fault in the mapped file, or a panic that
// comes from within bbolt, which checks little of what it reads. It gives nil for every other panic and has to be
// called by the deferred function that recovered.
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
