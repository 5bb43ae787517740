-- URLs that were left out, and that are in the catalogue.
--
-- Arguments:
--   entries    so many, then of each:
--     entry       of the URL
-- Returns 1.
--- include finish

for _ = 1, num() do
  local entry = str()
  call('XDEL', P .. 'left', entry)
end
return finish(1)
