package sqlite

import "testing"

func TestZeroValues(t *testing.T) {
	var im Image
	if im.PageSize() != 0 || im.Pages() != 0 {
		t.Errorf("an image that is not open has %d pages of %d bytes", im.Pages(), im.PageSize())
	}
	for _, pgno := range []uint32{0, 1} {
		if err := im.ReadPage(pgno, nil); err == nil {
			t.Errorf("page %d of an image that is not open: no error", pgno)
		}
	}
	must(t, im.Close())
	wantEqual(t, (&CheckError{}).Error(), "check database : it is damaged")
	if err := Check(t.Context(), "", CheckMode(7)); err == nil {
		t.Error("check of no file: no error")
	}
	if _, err := Open(t.Context(), ""); err == nil {
		t.Error("image of no file: no error")
	}
	wantEqual(t, CheckMode(7).String(), "CheckMode(7)")
}
