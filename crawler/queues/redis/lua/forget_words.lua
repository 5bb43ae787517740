-- Words that are in the catalogue.
--
-- Arguments:
--   entries    so many, then of each:
--     entry       of the words
-- Returns 1.
--- include finish

local was_full = uncollected()
for _ = 1, num() do
  local entry = str()
  S.words = max(0, S.words - call('XDEL', P .. 'words', entry))
end
if was_full and not uncollected() then
  wake_all = true
end
return finish(1)
