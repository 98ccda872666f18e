"""The transparency log: heads signed, sent to anchors and witnesses, proven, published as tiles, and compared with the rows."""
